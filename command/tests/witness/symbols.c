/*
 * Says where each name leads that its arguments give. NAME by dlsym: "driver NAME", "witness NAME" or
 * "absent". NAME@VERSION by cuGetProcAddress: its answer first, then the same.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *driver;

/* The witness has a symbol of its own, a driver has not; both are found through one handle. */
static void say(void *address)
{
    void *own = dlsym(driver, "cuda_contexts_version");
    Dl_info info, witness = { .dli_fbase = NULL };
    const char *exported;
    const ElfW(Sym) *symbol = NULL;

    if (own)
        dladdr(own, &witness);
    if (!address || !dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT)) {
        puts("absent");
        return;
    }
    exported = info.dli_sname ? info.dli_sname : "unnamed";
    printf("%s %s\n", info.dli_fbase == witness.dli_fbase ? "witness" : "driver", exported);
}

static void look_up(char *word)
{
    char *version = strchr(word, '@');
    void *address = NULL;
    int (*second)(const char *, void **, int, uint64_t, int *) =
        (int (*)(const char *, void **, int, uint64_t, int *))dlsym(driver, "cuGetProcAddress_v2");
    int (*first)(const char *, void **, int, uint64_t) =
        (int (*)(const char *, void **, int, uint64_t))dlsym(driver, "cuGetProcAddress");
    int status = 0, answer = -1;

    *version = '\0';
    if (second)
        answer = second(word, &address, atoi(version + 1), 0, &status);
    else if (first)
        answer = first(word, &address, atoi(version + 1), 0);
    *version = '@';
    printf("%s %d ", word, answer + 1000 * status);
    say(answer == 0 ? address : NULL);
}

int main(int count, char **arguments)
{
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    for (int index = 1; index < count; index++) {
        if (strchr(arguments[index], '@')) {
            look_up(arguments[index]);
        } else {
            printf("%s ", arguments[index]);
            say(dlsym(driver, arguments[index]));
        }
    }
    return 0;
}
