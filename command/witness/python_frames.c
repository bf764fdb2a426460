/*
 * Python 3.13 and 3.14: the calling thread's frames, read where CPython's table for debuggers says
 * that they are. Everything is read with care, so that a table that lies crashes nothing.
 */
#include "python_offsets.h"
#include "python_text.h"
#include "witness.h"

#include <string.h>

enum { UNUSED_FRAMES = 256, TAG_BITS = 3 };

#define COPY(from)                                                                                 \
    *offsets = (struct python_offsets){ .current_frame = (from)->thread.current_frame,             \
                                        .previous = (from)->previous,                              \
                                        .executable = (from)->executable,                          \
                                        .instr_ptr = (from)->instr_ptr,                            \
                                        .filename = (from)->filename,                              \
                                        .name = (from)->name,                                      \
                                        .linetable = (from)->linetable,                            \
                                        .firstlineno = (from)->firstlineno,                        \
                                        .code = (from)->co_code_adaptive,                          \
                                        .ob_type = (from)->object.ob_type,                         \
                                        .bytes_length = (from)->text.bytes_ob_size,                \
                                        .bytes_content = (from)->text.ob_sval,                     \
                                        .text = { .state = (from)->text.state,                     \
                                                  .length = (from)->text.length,                   \
                                                  .header = (from)->text.asciiobject_size,         \
                                                  .more_header = 2 * sizeof(uintptr_t),            \
                                                  .kind_shift = 2 } }

/* False for a version whose table is not known. */
static bool read_offsets(struct readable *readable, const void *runtime,
                         struct python_offsets *offsets)
{
    struct python_head head;

    if (!read_memory(readable, (uintptr_t)runtime, &head, sizeof head)
        || memcmp(head.cookie, "xdebugpy", sizeof head.cookie) != 0)
        return false;
    if (head.version >> 16 == 0x030d) {
        const struct python_3_13 *table = runtime;

        if (!can_read(readable, (uintptr_t)table, sizeof *table))
            return false;
        COPY(table);
        /* The copies came with 3.14. */
        return true;
    }
    if (head.version >> 16 == 0x030e) {
        const struct python_3_14 *table = runtime;

        if (!can_read(readable, (uintptr_t)table, sizeof *table))
            return false;
        COPY(table);
        offsets->free_threaded = head.free_threaded != 0;
        offsets->tlbc_index = table->tlbc_index;
        offsets->co_tlbc = table->co_tlbc;
        if (offsets->free_threaded)
            offsets->text.kind_shift = 8;
        return true;
    }
    return false;
}

struct walk {
    struct readable readable;
    struct python_offsets offsets;
    uintptr_t code_type;
};

/* Where the code lies that the frame runs. */
static bool find_code(struct walk *walk, uintptr_t frame, uintptr_t code, uintptr_t *begin)
{
    const struct python_offsets *offsets = &walk->offsets;
    uintptr_t copies;
    uint64_t count;
    int32_t index;

    *begin = code + offsets->code;
    if (!offsets->free_threaded)
        return true;
    return read_pointer(&walk->readable, code + offsets->co_tlbc, &copies)
        && read_memory(&walk->readable, copies, &count, sizeof count)
        && read_memory(&walk->readable, frame + offsets->tlbc_index, &index, sizeof index)
        && index >= 0 && (uint64_t)index < count
        && read_pointer(&walk->readable, copies + sizeof count + (uint64_t)index * sizeof copies,
                        begin);
}

static int32_t read_line(struct walk *walk, uintptr_t frame, uintptr_t code)
{
    const struct python_offsets *offsets = &walk->offsets;
    uintptr_t instruction, begin, table;
    uint64_t length;
    int32_t first_line;

    if (!find_code(walk, frame, code, &begin)
        || !read_pointer(&walk->readable, frame + offsets->instr_ptr, &instruction)
        || !read_pointer(&walk->readable, code + offsets->linetable, &table)
        || !read_memory(&walk->readable, code + offsets->firstlineno, &first_line,
                        sizeof first_line)
        || !read_memory(&walk->readable, table + offsets->bytes_length, &length, sizeof length)
        || !can_read(&walk->readable, table + offsets->bytes_content, length))
        return -1;
    return python_line((const uint8_t *)table + offsets->bytes_content, length, first_line,
                       (int64_t)(instruction - begin));
}

static bool note_frame(struct walk *walk, uint64_t call, uint32_t index, uintptr_t frame,
                       uintptr_t code)
{
    char file[LONGEST_PYTHON_FILE], function[LONGEST_PYTHON_FUNCTION];
    size_t file_length, function_length;
    uintptr_t filename, name;

    if (!read_pointer(&walk->readable, code + walk->offsets.filename, &filename)
        || !read_pointer(&walk->readable, code + walk->offsets.name, &name)
        || !read_python_text(&walk->readable, &walk->offsets.text, filename, file, sizeof file,
                             &file_length)
        || !read_python_text(&walk->readable, &walk->offsets.text, name, function, sizeof function,
                             &function_length))
        return false;
    note_python_frame(call, index, read_line(walk, frame, code), file, file_length, function,
                      function_length);
    return true;
}

bool walk_python_frames(uint64_t call, const void *runtime, const struct python_types *types,
                        const void *thread_state)
{
    struct walk walk = { .code_type = types->code };
    uintptr_t frame;
    uint32_t index = 0;

    if (!runtime || !read_offsets(&walk.readable, runtime, &walk.offsets)
        || !read_pointer(&walk.readable, (uintptr_t)thread_state + walk.offsets.current_frame,
                         &frame))
        return false;
    for (int unused = 0; frame && unused < UNUSED_FRAMES;) {
        uintptr_t code, type;

        if (!read_pointer(&walk.readable, frame + walk.offsets.executable, &code))
            return false;
        code &= ~(uintptr_t)TAG_BITS;
        /* Between calls from C stand frames that run no code of anybody. */
        if (!code || !read_pointer(&walk.readable, code + walk.offsets.ob_type, &type)
            || type != walk.code_type)
            unused++;
        else if (index < TRACE_MAXIMUM_PYTHON_FRAMES && note_frame(&walk, call, index, frame, code))
            index++;
        else
            return false; /* it cannot be read, or is one more than are kept */
        if (!read_pointer(&walk.readable, frame + walk.offsets.previous, &frame))
            return false;
    }
    return !frame;
}
