/*
 * Drivers in this process that are not behind the witness, found among the files that the loader has
 * mapped. A driver that was mapped before the witness, under its own name, is one, too: whoever opened
 * it so does not meet the witness.
 */
#define _GNU_SOURCE
#include "witness.h"

#include <link.h>
#include <string.h>

enum { MAXIMUM_REPORTED = 16 };

static _Atomic uint64_t reported[MAXIMUM_REPORTED];
static _Atomic uint64_t last_number_of_loads;

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
    struct trace_bypass *record = reserve_record(TRACE_BYPASS, sizeof *record + length);

    if (!record)
        return;
    record->path_length = (uint32_t)length;
    memcpy(record + 1, path, length);
    publish_record(record, TRACE_WRITTEN);
}

/* The loader counts what it has mapped so far: while the count is the same, there is nothing new. */
static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    bool *first = data;

    (void)size;
    if (*first && atomic_exchange(&last_number_of_loads, info->dlpi_adds) == info->dlpi_adds)
        return 1;
    *first = false;
    if (!info->dlpi_name || !is_driver(info->dlpi_name))
        return 0;
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];

        if (segment->p_type != PT_LOAD)
            continue;
        if (!is_witness(info->dlpi_addr + segment->p_vaddr)
            && is_new(info->dlpi_addr + segment->p_vaddr))
            note(info->dlpi_name);
        break;
    }
    return 0;
}

void look_for_bypass(void)
{
    bool first = true;

    if (arena_settings()->capacity && !is_forked_child())
        dl_iterate_phdr(look_at, &first);
}
