/*
 * What is printed about the driver:
 *
 *   state:D                 whether its primary context is active
 *   references:D            how many releases succeed
 *   symbols NAME …          where each name leads: the driver or the witness
 *   flags                   what cuGetProcAddress returns for each flag
 *   holders:D               what the witness says
 */
#define _GNU_SOURCE
#include "client.h"

#include "../../witness/cuda_contexts.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

/* "driver NAME", "witness NAME" or "absent"; of NAME@VERSION the result of cuGetProcAddress before that. */
static void reach(char *word)
{
    int (*first)(const char *, void **, int, uint64_t) =
        (int (*)(const char *, void **, int, uint64_t))dlsym(driver, "cuGetProcAddress");
    int (*second)(const char *, void **, int, uint64_t, int *) = (int (*)(
        const char *, void **, int, uint64_t, int *))dlsym(driver, "cuGetProcAddress_v2");
    void *own = dlsym(driver, "cuda_contexts_version"), *address = NULL;
    char *version = strchr(word, '@');
    const ElfW(Sym) *symbol = NULL;
    Dl_info info, in_witness = { .dli_fbase = NULL };
    int status = 0, result = -1;

    printf("%s ", word);
    if (version) {
        *version++ = '\0';
        if (second)
            result = second(word, &address, atoi(version), 0, &status);
        else if (first)
            result = first(word, &address, atoi(version), 0);
        printf("%d ", result + 1000 * status);
        address = result ? NULL : address;
    } else {
        address = dlsym(driver, word);
    }
    if (own)
        dladdr(own, &in_witness);
    if (!address || !dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT))
        puts("absent");
    else
        printf("%s %s\n", info.dli_fbase == in_witness.dli_fbase ? "witness" : "driver",
               info.dli_sname ? info.dli_sname : "unnamed");
}

static void print_flags(void)
{
    void *address = NULL;
    int status = 0;

    for (uint64_t flags = 0; flags < 4; flags++) {
        int result = cuGetProcAddress_v2("x", &address, 12030, flags, &status);

        printf("%d %p %d\n", result, address, status);
    }
}

static void print_holders(int handle)
{
    uint32_t (*version)(void) = (uint32_t(*)(void))dlsym(driver, "cuda_contexts_version");
    uint32_t (*holders)(int32_t, struct cuda_contexts_holder *, uint32_t) =
        (uint32_t(*)(int32_t, struct cuda_contexts_holder *, uint32_t))dlsym(
            driver, "cuda_contexts_holders");
    struct cuda_contexts_holder found[4];
    uint32_t count = version && version() == CUDA_CONTEXTS_INTERFACE
                       ? holders(handle, found, 4)
                       : UINT32_MAX;

    printf("holders %d\n", (int)count);
    for (uint32_t index = 0; index < count && count <= 4; index++) {
        const char *name = strrchr(found[index].library, '/');

        printf("  %s %u %u %u\n", name ? name + 1 : "no file", found[index].references,
               found[index].green, found[index].ordinary);
    }
}

int show(const char *verb, const char *value)
{
    unsigned int flags;
    int number = 0;

    if (is(verb, "state")) {
        cuDevicePrimaryCtxGetState(device(value), &flags, &number);
        printf("state %d\n", number);
    } else if (is(verb, "references")) {
        while (cuDevicePrimaryCtxRelease_v2(device(value)) == 0)
            number++;
        printf("references %d\n", number);
    } else if (is(verb, "symbols")) {
        for (open_driver(); *words; words++)
            reach(*words);
    } else if (is(verb, "flags")) {
        open_driver();
        print_flags();
    } else if (is(verb, "holders")) {
        print_holders(device(value));
    } else {
        return UNKNOWN;
    }
    return 0;
}
