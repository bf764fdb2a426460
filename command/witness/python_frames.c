/*
 * The calling thread's Python frames. Everything is read with care, so that a structure that is not what it
 * should be crashes nothing.
 *
 * Where an interpreter's structures have their fields: 3.11 and 3.12 are known, for the structures are the
 * same in all releases of a minor version. Since 3.13 _PyRuntime begins with a table for debuggers.
 */
#include "python.h"
#include "readable.h"
#include "witness.h"

#include <string.h>

/* How a str lies in memory. */
struct text_layout {
    uint64_t state, length; /* offsets */
    uint64_t header;        /* what comes before ASCII letters */
    uint64_t more_header;   /* and before others */
    unsigned kind_shift;    /* where in `state` the size of a letter is */
};

struct offsets {
    uint64_t frame_holder; /* of what has the current frame; 0: the thread's state has it */
    uint64_t current_frame;
    uint64_t previous, executable;
    uint64_t instr_ptr, code; /* of 3.11 only */
    uint64_t filename, name;
    uint64_t owner; /* of a byte that is OWNED_BY_C in frames without code of anybody; 0: none has it */
    uint64_t ob_type;
    struct text_layout text;
};

static const struct offsets python_3_11 = {
    .frame_holder = 56, .current_frame = 8,
    .previous = 48, .executable = 32, .instr_ptr = 56,
    .filename = 112, .name = 120, .code = 184, .ob_type = 8,
    .text = { .state = 32, .length = 16, .header = 48, .more_header = 24, .kind_shift = 2 },
};
static const struct offsets python_3_12 = {
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
                       const struct words *words, struct offsets *offsets)
{
    const uint64_t *table = (const uint64_t *)python->runtime;

    if (!table || !can_read(readable, python->runtime, words->count * sizeof *table)
        || memcmp(&table[COOKIE], "xdebugpy", sizeof *table) != 0
        || table[VERSION] >> 16 != python->version >> 16)
        return false;
    *offsets = (struct offsets){
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

/* False for a version that is not known. */
static bool find_offsets(struct readable *readable, const struct python *python,
                         struct offsets *offsets)
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

/* At most 4 bytes. */
static size_t put_utf8(char *to, uint32_t letter)
{
    size_t length = letter < 0x80 ? 1 : letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;

    for (size_t at = length - 1; at > 0; at--, letter >>= 6)
        to[at] = (char)(0x80 | (letter & 0x3f));
    /* The first byte begins with as many ones as there are bytes. */
    to[0] = (char)(length == 1 ? letter : (0xff00u >> length) | letter);
    return length;
}

/* As UTF-8; the beginning of it if it is too long. */
static bool read_text(struct readable *readable, const struct text_layout *layout, uintptr_t text,
                      char *to, size_t capacity, size_t *used)
{
    enum { KIND = 7, COMPACT = 8, ASCII = 16, LONGEST_LETTER = 4 };
    uint32_t state;
    uint64_t length;
    uintptr_t letters;
    unsigned size;

    *used = 0;
    if (!read_memory(readable, text + layout->state, &state, sizeof state)
        || !read_memory(readable, text + layout->length, &length, sizeof length))
        return false;
    state >>= layout->kind_shift;
    size = state & KIND;
    if (!(state & COMPACT) || (size != 1 && size != 2 && size != 4))
        return false;
    letters = text + layout->header + (state & ASCII ? 0 : layout->more_header);
    if (length > capacity)
        length = capacity;
    if (!can_read(readable, letters, length * size))
        return false;
    if (state & ASCII) {
        memcpy(to, (const void *)letters, length);
        *used = length;
        return true;
    }
    for (uint64_t index = 0; index < length && *used + LONGEST_LETTER <= capacity; index++) {
        uint32_t letter = 0; /* its bytes, the lowest first */

        memcpy(&letter, (const char *)letters + index * size, size);
        if (letter > 0x10ffff)
            return false;
        *used += put_utf8(to + *used, letter);
    }
    return true;
}

enum { UNUSED_FRAMES = 256, TAG_BITS = 3, OWNED_BY_C = 3 };

static void note_line(uint64_t call, uint32_t index, int32_t line, const char *file,
                      size_t file_length, const char *function, size_t function_length)
{
    struct trace_python *record =
        reserve_record(TRACE_PYTHON, sizeof *record + file_length + function_length, NULL);

    if (!record)
        return;
    record->call = call;
    record->index = index;
    record->line = line;
    record->file_length = (uint32_t)file_length;
    record->function_length = (uint32_t)function_length;
    memcpy(record + 1, file, file_length);
    memcpy((char *)(record + 1) + file_length, function, function_length);
    publish_record(record, TRACE_WRITTEN);
}

struct walk {
    struct readable readable;
    struct offsets offsets;
    const struct python *python;
};

static int32_t read_line(struct walk *walk, uintptr_t frame, uintptr_t code)
{
    const struct offsets *offsets = &walk->offsets;
    uintptr_t instruction;

    if (walk->python->line_of_frame)
        return walk->python->line_of_frame(frame);
    if (!walk->python->line_of_code
        || !read_pointer(&walk->readable, frame + offsets->instr_ptr, &instruction))
        return -1;
    return walk->python->line_of_code(code, (int)(instruction - code - offsets->code));
}

static bool note_frame(struct walk *walk, uint64_t call, uint32_t index, uintptr_t frame,
                       uintptr_t code)
{
    char file[LONGEST_PYTHON_FILE], function[LONGEST_PYTHON_FUNCTION];
    size_t file_length, function_length;
    uintptr_t filename, name;

    if (!read_pointer(&walk->readable, code + walk->offsets.filename, &filename)
        || !read_pointer(&walk->readable, code + walk->offsets.name, &name)
        || !read_text(&walk->readable, &walk->offsets.text, filename, file, sizeof file,
                             &file_length)
        || !read_text(&walk->readable, &walk->offsets.text, name, function, sizeof function,
                             &function_length))
        return false;
    note_line(call, index, read_line(walk, frame, code), file, file_length, function,
              function_length);
    return true;
}

/* Between calls from C stand frames that run no code of anybody. */
static bool is_unused(struct walk *walk, uintptr_t frame, uintptr_t code)
{
    uintptr_t type;
    char owner = 0;

    if (walk->offsets.owner
        && !read_memory(&walk->readable, frame + walk->offsets.owner, &owner, sizeof owner))
        return true;
    return owner == OWNED_BY_C || !code
        || !read_pointer(&walk->readable, code + walk->offsets.ob_type, &type)
        || type != walk->python->code_type;
}

static bool find_first_frame(struct walk *walk, uintptr_t holder, uintptr_t *frame)
{
    const struct offsets *offsets = &walk->offsets;

    if (offsets->frame_holder
        && !read_pointer(&walk->readable, holder + offsets->frame_holder, &holder))
        return false;
    return read_pointer(&walk->readable, holder + offsets->current_frame, frame);
}

bool walk_python_frames(uint64_t call, const struct python *python, uintptr_t thread_state)
{
    struct walk walk = { .readable.lasting = true, .python = python };
    uintptr_t frame;
    uint32_t index = 0;

    if (!find_offsets(&walk.readable, python, &walk.offsets)
        || !find_first_frame(&walk, thread_state, &frame))
        return false;
    for (int unused = 0; frame && unused < UNUSED_FRAMES;) {
        uintptr_t code;

        if (!read_pointer(&walk.readable, frame + walk.offsets.executable, &code))
            return false;
        code &= ~(uintptr_t)TAG_BITS;
        if (is_unused(&walk, frame, code))
            unused++;
        else if (index < TRACE_MAXIMUM_PYTHON_LINES && note_frame(&walk, call, index, frame, code))
            index++;
        else
            return false; /* it cannot be read, or is one more than are kept */
        if (!read_pointer(&walk.readable, frame + walk.offsets.previous, &frame))
            return false;
    }
    return !frame;
}
