#include "python.h"

#include <string.h>

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
