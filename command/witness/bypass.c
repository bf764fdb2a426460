/*
 * Drivers in this process that are not behind the witness, found among the files that the loader has
 * mapped. A driver that was mapped before the witness, under its own name, is one, too: whoever opened
 * it so does not meet the witness.
 */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "witness.h"

#include <string.h>

enum { MAXIMUM_REPORTED = 16 };

static _Atomic uint64_t reported[MAXIMUM_REPORTED];

static bool is_driver(const char *path)
{
    const char *name = strrchr(path, '/');

    return strncmp(name ? name + 1 : path, "libcuda.so", sizeof "libcuda.so" - 1) == 0;
}

static bool is_new(uintptr_t address)
{
    for (int index = 0; index < MAXIMUM_REPORTED; index++) {
        uint64_t found = 0;

        if (atomic_compare_exchange_strong(&reported[index], &found, address))
            return true;
        if (found == address)
            return false;
    }
    return false;
}

static void note(const char *path)
{
    size_t length = strlen(path);
    struct trace_bypass *record = reserve_record(TRACE_BYPASS, sizeof *record + length, NULL);

    if (!record)
        return;
    record->path_length = (uint32_t)length;
    memcpy(record + 1, path, length);
    publish_record(record, TRACE_WRITTEN);
}

static bool look_at(const struct loaded_object *object, void *data)
{
    (void)data;
    if (is_driver(object->name) && !is_witness(object->mapping.start)
        && is_new(object->mapping.start))
        note(object->name);
    return false;
}

/* When the witness is loaded and at exit: in a call it would take the loader's lock. */
void look_for_bypass(void)
{
    if (has_arena() && !is_forked_child())
        each_loaded_object(look_at, NULL);
}
