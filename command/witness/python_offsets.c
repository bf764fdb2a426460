/*
 * Where an interpreter's structures have their fields. 3.11 and 3.12 are known: the structures are the
 * same in all releases of a minor version. Since 3.13 _PyRuntime begins with a table for debuggers.
 */
#include "python.h"

#include <string.h>

/* The parts of that table, in its order. What is not used has no name. */
struct head {
    char cookie[8];
    uint64_t version, free_threaded;
    uint64_t runtime[3];
};
struct thread_part {
    uint64_t size, prev, next, interp, current_frame;
    uint64_t others[4];
};
struct frame_part {
    uint64_t size, previous, executable, instr_ptr, localsplus, owner;
};
struct code_part {
    uint64_t size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
        localspluskinds, co_code_adaptive;
};
struct object_part {
    uint64_t size, ob_type;
    uint64_t type[4], tuple[3], list[3];
};
struct text_part {
    uint64_t dict[3], floating[2], integer[3];
    uint64_t bytes_size, bytes_ob_size, ob_sval;
    uint64_t unicode_size, state, length, asciiobject_size;
};

struct python_3_13 {
    struct head head;
    uint64_t interpreter_state[13];
    struct thread_part thread;
    struct frame_part frame;
    struct code_part code;
    struct object_part object;
    struct text_part text;
};

struct python_3_14 {
    struct head head;
    uint64_t interpreter_state[16];
    struct thread_part thread;
    struct frame_part frame;
    uint64_t stackpointer, tlbc_index;
    struct code_part code;
    uint64_t co_tlbc;
    struct object_part object;
    uint64_t set[4];
    struct text_part text;
};

static const struct python_offsets python_3_11 = {
    .frame_holder = 56, .current_frame = 8,
    .previous = 48, .executable = 32, .instr_ptr = 56,
    .filename = 112, .name = 120, .code = 184, .ob_type = 8,
    .text = { .state = 32, .length = 16, .header = 48, .more_header = 24, .kind_shift = 2 },
};
static const struct python_offsets python_3_12 = {
    .frame_holder = 56, .current_frame = 0,
    .previous = 8, .executable = 0, .owner = 70, .filename = 112, .name = 120, .ob_type = 8,
    .text = { .state = 32, .length = 16, .header = 40, .more_header = 16, .kind_shift = 2 },
};

#define FROM(table)                                                                                \
    (struct python_offsets)                                                                        \
    {                                                                                              \
        .current_frame = (table)->thread.current_frame, .previous = (table)->frame.previous,       \
        .executable = (table)->frame.executable, .filename = (table)->code.filename,               \
        .name = (table)->code.name, .ob_type = (table)->object.ob_type,                            \
        .text = {                                                                                  \
            .state = (table)->text.state,                                                          \
            .length = (table)->text.length,                                                        \
            .header = (table)->text.asciiobject_size,                                              \
            .more_header = 2 * sizeof(uintptr_t),                                                  \
            .kind_shift = 2,                                                                       \
        },                                                                                         \
    }

static bool has_table(struct readable *readable, const struct python *python, size_t length)
{
    const struct head *head = (const struct head *)python->runtime;

    return head && can_read(readable, python->runtime, length)
        && memcmp(head->cookie, "xdebugpy", sizeof head->cookie) == 0
        && head->version >> 16 == python->version >> 16;
}

bool find_python_offsets(struct readable *readable, const struct python *python,
                         struct python_offsets *offsets)
{
    const struct python_3_13 *table_3_13 = (const struct python_3_13 *)python->runtime;
    const struct python_3_14 *table_3_14 = (const struct python_3_14 *)python->runtime;

    switch (python->version >> 16) {
    case 0x030b:
        *offsets = python_3_11;
        return true;
    case 0x030c:
        *offsets = python_3_12;
        return true;
    case 0x030d:
        if (!has_table(readable, python, sizeof *table_3_13))
            return false;
        *offsets = FROM(table_3_13);
        return true;
    case 0x030e:
        if (!has_table(readable, python, sizeof *table_3_14))
            return false;
        *offsets = FROM(table_3_14);
        if (table_3_14->head.free_threaded)
            offsets->text.kind_shift = 8;
        return true;
    default:
        return false;
    }
}
