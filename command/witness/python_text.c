#include "python_text.h"

#include <string.h>

size_t put_utf8(char *to, uint32_t letter)
{
    if (letter < 0x80) {
        to[0] = (char)letter;
        return 1;
    }
    if (letter < 0x800) {
        to[0] = (char)(0xc0 | letter >> 6);
        to[1] = (char)(0x80 | (letter & 0x3f));
        return 2;
    }
    if (letter < 0x10000) {
        to[0] = (char)(0xe0 | letter >> 12);
        to[1] = (char)(0x80 | (letter >> 6 & 0x3f));
        to[2] = (char)(0x80 | (letter & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | letter >> 18);
    to[1] = (char)(0x80 | (letter >> 12 & 0x3f));
    to[2] = (char)(0x80 | (letter >> 6 & 0x3f));
    to[3] = (char)(0x80 | (letter & 0x3f));
    return 4;
}

bool read_python_text(struct readable *readable, const struct python_text_layout *layout,
                      uintptr_t text, char *to, size_t capacity, size_t *used)
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
