/*
 * Walking a thread's native frames by what the compiler wrote about them (.eh_frame), in the calling
 * thread. Nothing is allocated, no lock is taken where glibc has _dl_find_object, and the stack is
 * read with care: libgcc's unwinder and backtrace() follow a wrong return address until they crash.
 */
#ifndef CUDA_CONTEXTS_UNWIND_H
#define CUDA_CONTEXTS_UNWIND_H

#include "readable.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
enum { REGISTER_COUNT = 17, STACK_POINTER = 7 };
#elif defined(__aarch64__)
enum { REGISTER_COUNT = 34, STACK_POINTER = 31 };
#else
#error "the witness knows x86-64 and aarch64"
#endif

/* The registers of one frame, by their DWARF numbers. */
struct frame {
    uint64_t registers[REGISTER_COUNT];
    uint64_t pc;
    bool interrupted; /* pc is the instruction at which a signal came, and not behind a call */
};

/* Goes from a frame to its caller; false at the last one, and where it cannot be told. */
bool unwind(struct frame *frame, struct readable *readable);

/* frame_description.c: what an .eh_frame says about the function at an address */
struct description {
    uint64_t first_address;
    uint64_t code_alignment;
    int64_t data_alignment;
    uint64_t return_register;
    bool is_signal_frame;
    const uint8_t *initial, *initial_end; /* instructions of the common part */
    const uint8_t *program, *program_end; /* and of the function */
};
bool find_description(uint64_t address, struct description *description);

/* frame_numbers.c: the ways in which numbers are written there */
uint64_t unsigned_number(const uint8_t **at);
int64_t signed_number(const uint8_t **at);
uint64_t fixed_number(const uint8_t **at, unsigned bytes);
/* `base` is what data-relative ones are relative to. */
bool encoded_pointer(const uint8_t **at, uint8_t encoding, uint64_t base, uint64_t *pointer);

/* frame_rules.c: where the caller's registers are */
enum rule_kind { SAME, UNDEFINED, AT_OFFSET, IS_OFFSET, IN_REGISTER, AT_EXPRESSION, IS_EXPRESSION };
struct rule {
    uint8_t kind;
    int64_t number; /* offset or register */
    const uint8_t *expression;
};
struct rules {
    struct rule registers[REGISTER_COUNT];
    struct rule frame_address; /* IN_REGISTER with `offset`, or IS_EXPRESSION */
    int64_t offset;
};
bool find_rules(const struct description *description, uint64_t address, struct rules *rules);

/* frame_expression.c */
bool evaluate(const uint8_t *expression, const struct frame *frame, struct readable *readable,
              const uint64_t *first, uint64_t *value);

#endif
