#include "unwind.h"

#include <string.h>

static bool find_register(const struct rule *rule, uint64_t number, uint64_t frame_address,
                          const struct frame *frame, struct readable *readable, uint64_t *value)
{
    uint64_t place;

    switch (rule->kind) {
    case SAME:
        *value = frame->registers[number];
        return true;
    case AT_OFFSET:
        return read_memory(readable, frame_address + (uint64_t)rule->number, value, sizeof *value);
    case IS_OFFSET:
        *value = frame_address + (uint64_t)rule->number;
        return true;
    case IN_REGISTER:
        *value = rule->number < REGISTER_COUNT ? frame->registers[rule->number] : 0;
        return true;
    case AT_EXPRESSION:
        return evaluate(rule->expression, frame, readable, &frame_address, &place)
            && read_memory(readable, place, value, sizeof *value);
    case IS_EXPRESSION:
        return evaluate(rule->expression, frame, readable, &frame_address, value);
    default: /* UNDEFINED */
        *value = 0;
        return true;
    }
}

/* aarch64 signs return addresses in their upper bits. */
static uint64_t without_signature(uint64_t address)
{
#if defined(__aarch64__)
    return address & 0x0000ffffffffffffu;
#else
    return address;
#endif
}

/*
 * On aarch64 the kernel's return from a signal handler has no description: it is known by its two
 * instructions, and the interrupted registers lie on the stack, behind a siginfo_t and the beginning of
 * a ucontext_t.
 */
#if defined(__aarch64__)
static bool unwind_signal(struct frame *frame, struct readable *readable)
{
    static const uint32_t return_from_handler[] = { 0xd2801168, 0xd4000001 };
    enum { PLACE = 128 + 176 + 8, GENERAL = 32 };
    uint64_t saved[GENERAL + 1]; /* x0 to x30, sp, pc */
    uint32_t found[2];

    if (!read_memory(readable, frame->pc, found, sizeof found)
        || memcmp(found, return_from_handler, sizeof found) != 0
        || !read_memory(readable, frame->registers[STACK_POINTER] + PLACE, saved, sizeof saved))
        return false;
    memcpy(frame->registers, saved, GENERAL * sizeof *saved);
    frame->pc = saved[GENERAL];
    frame->interrupted = true;
    return true;
}
#else
static bool unwind_signal(struct frame *frame, struct readable *readable)
{
    (void)frame;
    (void)readable;
    return false;
}
#endif

bool unwind(struct frame *frame, struct readable *readable)
{
    uint64_t address = frame->interrupted ? frame->pc : frame->pc - 1;
    struct description description;
    struct rules rules;
    struct frame caller;
    uint64_t frame_address;

    if (!find_description(address, &description))
        return unwind_signal(frame, readable);
    if (!find_rules(&description, address, &rules)
        || description.return_register >= REGISTER_COUNT)
        return false;
    if (rules.frame_address.kind == IS_EXPRESSION) {
        if (!evaluate(rules.frame_address.expression, frame, readable, NULL, &frame_address))
            return false;
    } else {
        frame_address = frame->registers[rules.frame_address.number] + (uint64_t)rules.offset;
    }
    for (uint64_t number = 0; number < REGISTER_COUNT; number++)
        if (!find_register(&rules.registers[number], number, frame_address, frame, readable,
                           &caller.registers[number]))
            return false;
    if (rules.registers[description.return_register].kind == UNDEFINED)
        return false;
    caller.pc = without_signature(caller.registers[description.return_register]);
    if (rules.registers[STACK_POINTER].kind == SAME)
        caller.registers[STACK_POINTER] = frame_address;
    caller.interrupted = description.is_signal_frame;
    /* A caller that is the callee itself would go on for ever. */
    if (!caller.pc || (caller.pc == frame->pc && frame_address == frame->registers[STACK_POINTER]))
        return false;
    *frame = caller;
    return true;
}
