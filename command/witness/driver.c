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
    _Atomic driver_function real; /* looked up at first use; NULL: not yet, or the driver lacks it */
} functions[TRACE_FUNCTION_COUNT] = {
#define FUNCTION(function) [TRACE_##function] = { #function, function, NULL },
    TRACE_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

enum { LONGEST_PATH = 1024 };

static struct loaded_object witness, behind;

/* The file beside the witness, by whatever path it was loaded first. */
struct identity {
    uint64_t device, inode;
    bool likely_names; /* only those are looked at: a process may have hundreds of files loaded */
};

/* The path of a file beside the witness. */
static bool path_beside(const char *name, char path[LONGEST_PATH])
{
    const char *end = witness.name ? strrchr(witness.name, '/') : NULL;
    size_t folder = end ? (size_t)(end + 1 - witness.name) : 0, length = strlen(name) + 1;

    if (!folder || folder + length > LONGEST_PATH)
        return false;
    memcpy(path, witness.name, folder);
    memcpy(path + folder, name, length);
    return true;
}

static bool is_driver(const struct loaded_object *object, void *data)
{
    const struct identity *identity = data;
    struct identity found;

    if (!*object->name || (identity->likely_names && !strstr(object->name, "libcuda"))
        || is_witness(object->mapping.start)
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
    char path[LONGEST_PATH];

    if (!find_loaded_object((uintptr_t)functions, &witness) || !path_beside("libcuda-real.so", path)
        || !identify_file(path, &identity.device, &identity.inode))
        return;
    identity.likely_names = true;
    each_loaded_object(is_driver, &identity);
    identity.likely_names = false;
    if (!behind.mapping.end)
        each_loaded_object(is_driver, &identity);
}

driver_function unwrapped_function(const char *name)
{
    return behind.mapping.end ? (driver_function)symbol_of_object(&behind, name) : NULL;
}

static driver_function look_up(enum trace_function function)
{
    driver_function found = atomic_load_explicit(&functions[function].real, memory_order_relaxed);

    if (!found) {
        found = unwrapped_function(functions[function].name);
        atomic_store_explicit(&functions[function].real, found, memory_order_relaxed);
    }
    return found;
}

/* The command watches whether anybody opens this file. */
void note_missing_arena(void)
{
    char path[LONGEST_PATH], nothing[1];

    if (path_beside(TRACE_MISSING_NAME, path))
        read_file(path, nothing, sizeof nothing);
}

static CUresult lacks_function(void)
{
    return CUDA_ERROR_NOT_FOUND;
}

driver_function real_function(enum trace_function function)
{
    driver_function found;

    begin_process();
    found = look_up(function);
    return found ? found : (driver_function)lacks_function;
}

void *wrapped_in_place_of(void *address)
{
    for (int function = 1; function < TRACE_FUNCTION_COUNT; function++)
        if (address && (void *)look_up(function) == address)
            return (void *)functions[function].ours;
    return address;
}

bool is_witness(uintptr_t address)
{
    return address >= witness.mapping.start && address < witness.mapping.end;
}
