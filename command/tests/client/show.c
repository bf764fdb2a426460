/*
 * What is printed about the driver:
 *
 *   state:D                 whether its primary context is active
 *   references:D            how many releases succeed
 *   symbols NAME …          where each name leads: the driver or the witness
 *   holders:D               what the witness says
 */
#define _GNU_SOURCE
#include "client.h"

#include "../../witness/cuda_contexts.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* Of NAME@VERSION or NAME@VERSION@FLAGS the results of cuGetProcAddress. */
static void *look_up(const char *name, char *at)
{
    int (*first)(const char *, void **, int, uint64_t) =
        (int (*)(const char *, void **, int, uint64_t))dlsym(driver, "cuGetProcAddress");
    uint64_t flags = strchr(at, '@') ? strtoull(strchr(at, '@') + 1, NULL, 10) : 0;
    int status = 0, result = -1;
    void *address = NULL;

    if (cuGetProcAddress_v2)
        result = cuGetProcAddress_v2(name, &address, atoi(at), flags, &status);
    else if (first)
        result = first(name, &address, atoi(at), flags);
    printf("%d ", result + 1000 * status);
    return result ? NULL : address;
}

/* "driver NAME", "witness NAME", "absent", or the address if there is nothing. */
static void reach(char *word)
{
    void *own = dlsym(driver, "cuda_contexts_version"), *address;
    char *at = strchr(word, '@');
    Dl_info info, in_witness = { .dli_fbase = NULL };

    printf("%s ", word);
    if (at)
        *at++ = '\0';
    address = at ? look_up(word, at) : dlsym(driver, word);
    if (own)
        dladdr(own, &in_witness);
    if (!address)
        puts("absent");
    else if (!dladdr(address, &info))
        printf("%p\n", address);
    else
        printf("%s %s\n", info.dli_fbase == in_witness.dli_fbase ? "witness" : "driver",
               info.dli_sname ? info.dli_sname : "unnamed");
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
    } else if (is(verb, "holders")) {
        print_holders(device(value));
    } else {
        return UNKNOWN;
    }
    return 0;
}
