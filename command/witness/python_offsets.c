/*
 * Where an interpreter's structures have their fields. 3.11 and 3.12 are known: the structures are the
 * same in all releases of a minor version. Since 3.13 _PyRuntime begins with a table for debuggers.
 */
#include "python.h"

#include <string.h>

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

/* Which words of that table (CPython's struct _Py_DebugOffsets) are used, and how many it has up to the last. */
enum { COOKIE, VERSION, FREE_THREADED };
struct words {
    uint8_t current_frame, previous, executable, filename, name, ob_type, state, length, header;
    uint8_t count;
};
static const struct words words_of_3_13 = { 23, 29, 30, 35, 36, 45, 68, 69, 70, .count = 71 };
static const struct words words_of_3_14 = { 26, 32, 33, 40, 41, 51, 78, 79, 80, .count = 81 };

static bool read_table(struct readable *readable, const struct python *python,
                       const struct words *words, struct python_offsets *offsets)
{
    const uint64_t *table = (const uint64_t *)python->runtime;

    if (!table || !can_read(readable, python->runtime, words->count * sizeof *table)
        || memcmp(&table[COOKIE], "xdebugpy", sizeof *table) != 0
        || table[VERSION] >> 16 != python->version >> 16)
        return false;
    *offsets = (struct python_offsets){
        .current_frame = table[words->current_frame],
        .previous = table[words->previous],
        .executable = table[words->executable],
        .filename = table[words->filename],
        .name = table[words->name],
        .ob_type = table[words->ob_type],
        .text = { .state = table[words->state],
                  .length = table[words->length],
                  .header = table[words->header],
                  .more_header = 2 * sizeof(uintptr_t),
                  .kind_shift = words == &words_of_3_14 && table[FREE_THREADED] ? 8 : 2 },
    };
    return true;
}

bool find_python_offsets(struct readable *readable, const struct python *python,
                         struct python_offsets *offsets)
{
    switch (python->version >> 16) {
    case 0x030b:
        *offsets = python_3_11;
        return true;
    case 0x030c:
        *offsets = python_3_12;
        return true;
    case 0x030d:
        return read_table(readable, python, &words_of_3_13, offsets);
    case 0x030e:
        return read_table(readable, python, &words_of_3_14, offsets);
    default:
        return false;
    }
}
