/*
 * The calling thread's frames. Everything is read with care, so that a structure that is not what it
 * should be crashes nothing.
 */
#include "python.h"
#include "witness.h"

#include <string.h>

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
    struct python_offsets offsets;
    const struct python *python;
};

static int32_t read_line(struct walk *walk, uintptr_t frame, uintptr_t code)
{
    const struct python_offsets *offsets = &walk->offsets;
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
        || !read_python_text(&walk->readable, &walk->offsets.text, filename, file, sizeof file,
                             &file_length)
        || !read_python_text(&walk->readable, &walk->offsets.text, name, function, sizeof function,
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
    const struct python_offsets *offsets = &walk->offsets;

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

    if (!find_python_offsets(&walk.readable, python, &walk.offsets)
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
