/* Reading memory that may not be there. */
#ifndef CUDA_CONTEXTS_READABLE_H
#define CUDA_CONTEXTS_READABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remembers the pages that were readable: for one walk, for they may go at any time. */
struct readable {
    uintptr_t pages[4];
    unsigned next;
    bool lasting; /* of memory that stays while anything points to it, as an interpreter's objects do:
                     what was readable is remembered for good */
};

bool can_read(struct readable *readable, uintptr_t address, size_t length);

/* Copies `length` bytes at `address`; false, and nothing crashes, if they cannot be read. */
bool read_memory(struct readable *readable, uintptr_t address, void *to, size_t length);

/* For the next function; -1 if it cannot be opened. */
long open_memory(void);
void close_memory(long memory);

/*
 * The same for memory that another thread may unmap at any moment, between a question and the reading, too: the
 * kernel reads it. Returns how much was copied.
 */
size_t copy_passing_memory(long memory, uintptr_t address, void *to, size_t length);

bool read_pointer(struct readable *readable, uintptr_t address, uintptr_t *to);

#endif
