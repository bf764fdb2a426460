/*
 * The line of an instruction, from a code object's table of locations (3.11 and later; CPython's
 * InternalDocs/code_objects.md, Objects/locations.md). Each entry is about 1 to 8 units of code: a
 * byte with the highest bit, four bits of kind and three of length less one; what follows depends on
 * the kind and never has the highest bit in its first byte.
 */
#include "python.h"

enum { NO_LOCATION = 15, LONG_FORM = 14, NO_COLUMNS = 13, ONE_LINE_FIRST = 10, ONE_LINE_LAST = 12,
       UNIT = 2 };

/* Six bits a byte, the lowest first; bit 6 says that there is more. */
static bool read_number(const uint8_t *table, size_t length, size_t *at, uint64_t *value)
{
    unsigned shift = 0;
    uint8_t byte;

    *value = 0;
    do {
        if (*at >= length || shift > 60)
            return false;
        byte = table[(*at)++];
        *value |= (uint64_t)(byte & 0x3f) << shift;
        shift += 6;
    } while (byte & 0x40);
    return true;
}

static bool read_signed(const uint8_t *table, size_t length, size_t *at, int64_t *value)
{
    uint64_t number;

    if (!read_number(table, length, at, &number))
        return false;
    *value = number & 1 ? -(int64_t)(number >> 1) : (int64_t)(number >> 1);
    return true;
}

int32_t python_line(const uint8_t *table, size_t length, int32_t first_line, int64_t offset)
{
    int64_t line = first_line, end = 0;
    size_t at = 0;

    while (at < length) {
        uint8_t begin = table[at++];
        unsigned kind = begin >> 3 & 15;
        int64_t change = 0;

        if (!(begin & 0x80))
            return -1;
        if (kind == LONG_FORM || kind == NO_COLUMNS) {
            if (!read_signed(table, length, &at, &change))
                return -1;
        } else if (kind >= ONE_LINE_FIRST && kind <= ONE_LINE_LAST) {
            change = kind - ONE_LINE_FIRST;
        }
        line += change;
        end += ((begin & 7) + 1) * UNIT;
        if (offset < end)
            return kind == NO_LOCATION || line > INT32_MAX || line < 0 ? -1 : (int32_t)line;
        while (at < length && !(table[at] & 0x80))
            at++;
    }
    return -1;
}
