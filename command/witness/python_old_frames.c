/*
 * Python 3.9 and 3.10: the calling thread's frames are objects, whose structure is the same in all
 * releases of a minor version. Builds for debugging have another one: each object's type is checked,
 * and what is no frame, no code or no text is left out, and said to be.
 */
#include "python_text.h"
#include "witness.h"

enum {
    FRAME_OF_THREAD = 24,
    TYPE = 8,
    BYTES_LENGTH = 16,
    BYTES_CONTENT = 32,
    FRAME_BACK = 24,
    FRAME_CODE = 32,
    CODE_FIRST_LINE = 40,
    CODE_FILE = 104,
    CODE_NAME = 112,
    CODE_LINES = 120, /* co_lnotab, co_linetable */
    NO_LINE = -128,
};

static const struct python_text_layout text_layout = { .state = 32,
                                                       .length = 16,
                                                       .header = 48,
                                                       .more_header = 24,
                                                       .kind_shift = 2 };

static bool is_a(struct readable *readable, uintptr_t object, uintptr_t type)
{
    uintptr_t found;

    return object && type && read_pointer(readable, object + TYPE, &found) && found == type;
}

/* co_lnotab: so many bytes of code further the line is so many more. */
static int32_t line_in_3_9(const uint8_t *table, uint64_t length, int32_t line, int64_t offset)
{
    int64_t address = 0;

    for (uint64_t at = 0; at + 1 < length; at += 2) {
        address += table[at];
        if (address > offset)
            break;
        line += (int8_t)table[at + 1];
    }
    return line;
}

/* co_linetable: the next so many bytes of code are of a line that is so many more, or of none. */
static int32_t line_in_3_10(const uint8_t *table, uint64_t length, int32_t line, int64_t offset)
{
    int64_t end = 0;

    for (uint64_t at = 0; at + 1 < length; at += 2) {
        int change = (int8_t)table[at + 1];

        line += change == NO_LINE ? 0 : change;
        end += table[at];
        if (offset < end)
            return change == NO_LINE ? -1 : line;
    }
    return -1;
}

static int32_t read_line(struct readable *readable, uint32_t version, uintptr_t bytes_type,
                         uintptr_t frame, uintptr_t code)
{
    bool is_3_9 = version >> 16 == 0x0309;
    int32_t instruction, first_line;
    uintptr_t table;
    uint64_t length;

    if (!read_memory(readable, frame + (is_3_9 ? 104 : 96), &instruction, sizeof instruction)
        || !read_memory(readable, code + CODE_FIRST_LINE, &first_line, sizeof first_line)
        || !read_pointer(readable, code + CODE_LINES, &table) || !is_a(readable, table, bytes_type)
        || !read_memory(readable, table + BYTES_LENGTH, &length, sizeof length)
        || !can_read(readable, table + BYTES_CONTENT, length))
        return -1;
    if (instruction < 0) /* it has not begun */
        return first_line;
    return is_3_9 ? line_in_3_9((const uint8_t *)table + BYTES_CONTENT, length, first_line,
                                instruction)
                  : line_in_3_10((const uint8_t *)table + BYTES_CONTENT, length, first_line,
                                 (int64_t)instruction * 2);
}

static bool note_frame(struct readable *readable, uint64_t call, uint32_t index, uint32_t version,
                       const struct python_types *types, uintptr_t frame)
{
    char file[LONGEST_PYTHON_FILE], function[LONGEST_PYTHON_FUNCTION];
    size_t file_length, function_length;
    uintptr_t code, filename, name;

    if (!is_a(readable, frame, types->frame) || !read_pointer(readable, frame + FRAME_CODE, &code)
        || !is_a(readable, code, types->code)
        || !read_pointer(readable, code + CODE_FILE, &filename)
        || !read_pointer(readable, code + CODE_NAME, &name)
        || !is_a(readable, filename, types->text) || !is_a(readable, name, types->text)
        || !read_python_text(readable, &text_layout, filename, file, sizeof file, &file_length)
        || !read_python_text(readable, &text_layout, name, function, sizeof function,
                             &function_length))
        return false;
    note_python_frame(call, index, read_line(readable, version, types->bytes, frame, code), file,
                      file_length, function, function_length);
    return true;
}

bool walk_old_python_frames(uint64_t call, uint32_t version, const struct python_types *types,
                            const void *thread_state)
{
    struct readable readable = { .next = 0 };
    uintptr_t frame;

    if (version >> 16 != 0x0309 && version >> 16 != 0x030a)
        return false;
    if (!read_pointer(&readable, (uintptr_t)thread_state + FRAME_OF_THREAD, &frame))
        return false;
    for (uint32_t index = 0; frame && index < TRACE_MAXIMUM_PYTHON_FRAMES; index++)
        if (!note_frame(&readable, call, index, version, types, frame)
            || !read_pointer(&readable, frame + FRAME_BACK, &frame))
            return false;
    return !frame; /* there may be more than are kept */
}
