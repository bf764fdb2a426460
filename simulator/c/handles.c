/* Handles: addresses in reserved, unreadable memory. */
#include "handles.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HANDLE_STRIDE = 64, MAXIMUM_HANDLES = 1 << 20 };

static bool reserve_addresses(struct handle_table *table)
{
    void *base;

    if (table->base)
        return true;
    base = mmap(NULL, (size_t)HANDLE_STRIDE * MAXIMUM_HANDLES, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return false;
    table->base = base;
    return true;
}

static bool make_room(struct handle_table *table)
{
    uint32_t capacity = table->capacity ? 2 * table->capacity : 16;
    void **objects;

    if (table->count < table->capacity)
        return true;
    if (table->count == MAXIMUM_HANDLES)
        return false;
    objects = realloc(table->objects, capacity * sizeof *objects);
    if (!objects)
        return false;
    table->objects = objects;
    table->capacity = capacity;
    return true;
}

bool reserve_handle(struct handle_table *table, void *object, void **handle)
{
    if (!reserve_addresses(table) || !make_room(table))
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
