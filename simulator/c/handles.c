/* Handles: addresses in reserved, unreadable memory. */
#include "handles.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HANDLE_STRIDE = 64, MAXIMUM_HANDLES = 1 << 20 };

/* Once, for as many as there can be: memory costs only what is touched. */
static bool make_table(struct handle_table *table)
{
    void *base = mmap(NULL, (size_t)HANDLE_STRIDE * MAXIMUM_HANDLES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return false;
    table->objects = malloc(MAXIMUM_HANDLES * sizeof *table->objects);
    table->base = base;
    return true;
}

bool reserve_handle(struct handle_table *table, void *object, void **handle)
{
    if (!table->base && !make_table(table))
        return false;
    if (!table->objects || table->count == MAXIMUM_HANDLES)
        return false;
    *handle = table->base + (size_t)HANDLE_STRIDE * table->count;
    table->objects[table->count++] = object;
    return true;
}

void *find_handle(const struct handle_table *table, const void *handle)
{
    uintptr_t offset = (uintptr_t)handle - (uintptr_t)table->base;

    if (!table->base || offset % HANDLE_STRIDE || offset / HANDLE_STRIDE >= table->count)
        return NULL;
    return table->objects[offset / HANDLE_STRIDE];
}
