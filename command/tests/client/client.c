/*
 * A program that does what its arguments say, one after the other: client init retain:0 sleep:50 …
 * It prints `WORD returned CODE` for a call that fails, and opens the driver when a word needs it. The other
 * files say what it knows.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

char **words;

int main(int count, char **arguments)
{
    /* The last one opens the driver for any word. */
    int (*const kinds[])(const char *, const char *) = { control_process, create_threads, show, call_driver,
                                                         call_in_places };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (words = arguments + 1; *words;) {
        char *word = *words++, *colon = strchr(word, ':'), *verb = strdup(word);
        int result = UNKNOWN;

        if (colon)
            verb[colon - word] = '\0';
        for (size_t kind = 0; result == UNKNOWN && kind < sizeof kinds / sizeof *kinds; kind++)
            result = kinds[kind](verb, colon ? colon + 1 : "");
        if (result == UNKNOWN) {
            printf("what is %s?\n", word);
            return 91;
        }
        if (result)
            printf("%s returned %d\n", verb, result);
        free(verb);
    }
    return 0;
}
