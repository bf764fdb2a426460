/*
 * A program that does what its arguments say, one after the other: client init retain:0 sleep:50 …
 * It prints `WORD returned CODE` for a call that fails, and opens the driver when a word needs it. The other
 * files say what it knows.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

char **words;

/* As setproctitle does: the rest of the arguments becomes zeros. */
static char **set_title(int count, char **arguments)
{
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    char *end = arguments[count - 1] + strlen(arguments[count - 1]);

    for (int word = 0; word < count; word++)
        copy[word] = strdup(arguments[word]);
    memset(arguments[0], 0, (size_t)(end - arguments[0]));
    strcpy(arguments[0], "worker");
    return copy;
}

int main(int count, char **arguments)
{
    /* The last one opens the driver for any word. */
    int (*const kinds[])(const char *, const char *) = { control_process, create_threads, show, call_driver,
                                                         call_in_places };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1 && is(arguments[1], "title"))
        arguments = set_title(count, arguments) + 1;
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
