#include "unwind.h"

#include <string.h>

uint64_t unsigned_number(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *(*at)++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

int64_t signed_number(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *(*at)++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

uint64_t fixed_number(const uint8_t **at, unsigned bytes)
{
    uint64_t value = 0;

    memcpy(&value, *at, bytes); /* both architectures are little-endian */
    *at += bytes;
    return value;
}

/* DW_EH_PE_…: the lower four bits are the form, the next three what it is relative to. */
bool encoded_pointer(const uint8_t **at, uint8_t encoding, uint64_t base, uint64_t *pointer)
{
    uint64_t place = (uint64_t)(uintptr_t)*at, value;

    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
        value = fixed_number(at, 8);
        break;
    case 0x01:
        value = unsigned_number(at);
        break;
    case 0x02:
        value = fixed_number(at, 2);
        break;
    case 0x03:
        value = fixed_number(at, 4);
        break;
    case 0x09:
        value = (uint64_t)signed_number(at);
        break;
    case 0x0a:
        value = (uint64_t)(int64_t)(int16_t)fixed_number(at, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int64_t)(int32_t)fixed_number(at, 4);
        break;
    default:
        return false;
    }
    switch (encoding & 0x70) {
    case 0x00:
        break;
    case 0x10:
        value += place;
        break;
    case 0x30:
        value += base;
        break;
    default:
        return false;
    }
    *pointer = value;
    return true;
}
