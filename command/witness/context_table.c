/* Whose each ordinary and green context is: by its handle, in a table without a lock. */
#define _GNU_SOURCE
#include "witness.h"

enum { MAXIMUM_CONTEXTS = 2048, LONGEST_SEARCH = 64 };

static struct {
    _Atomic uintptr_t context; /* 0: none */
    _Atomic uint64_t value;
} table[MAXIMUM_CONTEXTS];

static unsigned first_place(uintptr_t context)
{
    return (unsigned)((context * 0x9e3779b97f4a7c15u) >> 48);
}

/* A handle is in the table once, or not at all: its value is there before the program knows it. */
bool remember_context(const void *context, struct context_entry entry)
{
    uint64_t value = (uint64_t)(uint32_t)entry.device << 32 | entry.module;

    for (unsigned step = 0; context && step < LONGEST_SEARCH; step++) {
        unsigned place = (first_place((uintptr_t)context) + step) % MAXIMUM_CONTEXTS;
        uintptr_t empty = 0;

        if (atomic_compare_exchange_strong(&table[place].context, &empty, (uintptr_t)context)) {
            atomic_store(&table[place].value, value);
            return true;
        }
    }
    return false;
}

/*
 * Taken out before the driver destroys it, for then the handle may be another's at once. If the driver
 * refuses, it is remembered anew.
 */
struct context_entry forget_context(const void *context)
{
    for (unsigned step = 0; context && step < LONGEST_SEARCH; step++) {
        unsigned place = (first_place((uintptr_t)context) + step) % MAXIMUM_CONTEXTS;
        uintptr_t expected = (uintptr_t)context;
        uint64_t value = atomic_load(&table[place].value);

        if (atomic_compare_exchange_strong(&table[place].context, &expected, 0))
            return (struct context_entry){ .device = (CUdevice)(value >> 32),
                                           .module = (uint32_t)value };
    }
    return (struct context_entry){ .device = -1 };
}

void forget_contexts(void)
{
    for (unsigned place = 0; place < MAXIMUM_CONTEXTS; place++)
        if (atomic_load_explicit(&table[place].context, memory_order_relaxed))
            atomic_store(&table[place].context, 0);
}
