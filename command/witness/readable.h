/* Reading memory that may not be there. */
#ifndef CUDA_CONTEXTS_READABLE_H
#define CUDA_CONTEXTS_READABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remembers the pages that were readable: one for each walk, for they may go at any time. */
struct readable {
    uintptr_t pages[4];
    unsigned next;
};

bool can_read(struct readable *readable, uintptr_t address, size_t length);

/* Copies `length` bytes at `address`; false, and nothing crashes, where they cannot be read. */
bool read_memory(struct readable *readable, uintptr_t address, void *to, size_t length);

bool read_pointer(struct readable *readable, uintptr_t address, uintptr_t *to);

#endif
