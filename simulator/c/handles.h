/*
 * Handles are addresses in reserved, unreadable memory: unique in the process, never reused, found by
 * arithmetic. A client that dereferences one crashes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct handle_table {
    char *base;
    void **objects;
    uint32_t count;
};

bool reserve_handle(struct handle_table *table, void *object, void **handle);
void *find_handle(const struct handle_table *table, const void *handle);
