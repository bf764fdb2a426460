/* The driver behind the witness, and its addresses of what is wrapped. */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "witness.h"

#include <string.h>

#define FUNCTION(name) EXPORTED void name(void);
/* Only their addresses are wanted here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
TRACE_FUNCTIONS(FUNCTION)
#pragma GCC diagnostic pop
#undef FUNCTION

static struct {
    const char *name;
    driver_function ours;
    driver_function real; /* NULL: the driver lacks it, and so does this copy of the witness */
} functions[TRACE_FUNCTION_COUNT] = {
#define FUNCTION(function) [TRACE_##function] = { #function, function, NULL },
    TRACE_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct loaded_object witness, behind;

/* The file beside the witness, by whatever path it was loaded first. */
struct identity {
    uint64_t device, inode;
};

static bool identify_driver(struct identity *identity)
{
    enum { LONGEST_PATH = 1024 };
    static const char name[] = "libcuda-real.so";
    char path[LONGEST_PATH];
    const char *end = strrchr(witness.name, '/');
    size_t length = end ? (size_t)(end + 1 - witness.name) : 0;

    if (!length || length + sizeof name > sizeof path)
        return false;
    memcpy(path, witness.name, length);
    memcpy(path + length, name, sizeof name);
    return identify_file(path, &identity->device, &identity->inode);
}

static bool is_driver(const struct loaded_object *object, void *data)
{
    const struct identity *identity = data;
    struct identity found;

    if (!*object->name || is_witness(object->start)
        || !identify_file(object->name, &found.device, &found.inode)
        || found.device != identity->device || found.inode != identity->inode)
        return false;
    behind = *object;
    return true;
}

/*
 * Once, before the first call. Not by dlopen and dlsym: a preloaded library may have hooked them, to
 * hand out functions that call this one. The driver stays as long as the witness, which is for good.
 */
void find_driver(void)
{
    struct identity identity;

    if (!find_loaded_object((uintptr_t)functions, &witness) || !identify_driver(&identity))
        return;
    each_loaded_object(is_driver, &identity);
    for (int function = 1; behind.end && function < TRACE_FUNCTION_COUNT; function++)
        functions[function].real =
            (driver_function)symbol_of_object(&behind, functions[function].name);
}

static CUresult lacks_function(void)
{
    return CUDA_ERROR_NOT_FOUND;
}

driver_function real_function(enum trace_function function)
{
    begin_process();
    return functions[function].real ? functions[function].real : (driver_function)lacks_function;
}

driver_function unwrapped_function(const char *name)
{
    return behind.end ? (driver_function)symbol_of_object(&behind, name) : NULL;
}

void *wrapped_in_place_of(void *address)
{
    for (int function = 1; function < TRACE_FUNCTION_COUNT; function++)
        if (address && (void *)functions[function].real == address)
            return (void *)functions[function].ours;
    return address;
}

bool is_witness(uintptr_t address)
{
    return address >= witness.start && address < witness.end;
}
