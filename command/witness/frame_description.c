#define _GNU_SOURCE
#include "loaded_object.h"
#include "unwind.h"

#include <string.h>

enum { VERSION = 1, COUNT_ENCODING = 0x03, TABLE_ENCODING = 0x3b, OMITTED = 0xff };

/* An entry of .eh_frame_hdr's table, which is sorted; both are relative to the section. */
struct row {
    int32_t address;
    int32_t description;
};

static const uint8_t *find_header(const struct loaded_object *object)
{
    for (size_t index = 0; index < object->segment_count; index++)
        if (object->segments[index].p_type == PT_GNU_EH_FRAME)
            return (const uint8_t *)(object->bias + object->segments[index].p_vaddr);
    return NULL;
}

/* The last entry whose function begins at or before the address. */
static const uint8_t *look_up(const uint8_t *header, uint64_t address)
{
    const uint8_t *at = header + 4;
    uint64_t base = (uint64_t)(uintptr_t)header, ignored;
    size_t low = 0, high;
    const struct row *rows;

    if (header[0] != VERSION || header[2] != COUNT_ENCODING || header[3] != TABLE_ENCODING
        || !encoded_pointer(&at, header[1], base, &ignored))
        return NULL;
    high = fixed_number(&at, 4);
    rows = (const struct row *)at;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (base + (uint64_t)(int64_t)rows[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? header + rows[low - 1].description : NULL;
}

/* The length of an entry, and where it ends. */
static bool entry_end(const uint8_t **at, const uint8_t **end)
{
    uint64_t length = fixed_number(at, 4);

    if (length == 0xffffffff)
        length = fixed_number(at, 8);
    *end = *at + length;
    return length != 0;
}

/* What several functions have in common. `pointers` is how their addresses are written. */
static bool read_common(const uint8_t *at, struct description *description, uint8_t *pointers,
                        bool *augmented)
{
    const uint8_t *end, *data_end;
    const char *augmentation;
    uint8_t version;
    uint64_t ignored;

    if (!entry_end(&at, &end) || fixed_number(&at, 4) != 0)
        return false;
    version = *at++;
    augmentation = (const char *)at;
    at += strlen(augmentation) + 1;
    if (version == 4)
        at += 2;
    else if (version != 1 && version != 3)
        return false;
    description->code_alignment = unsigned_number(&at);
    description->data_alignment = signed_number(&at);
    description->return_register = version == 1 ? *at++ : unsigned_number(&at);
    *pointers = 0;
    *augmented = *augmentation == 'z';
    data_end = at;
    if (*augmented) {
        uint64_t length = unsigned_number(&at);

        data_end = at + length;
    } else if (*augmentation) {
        return false;
    }
    for (const char *letter = augmentation; *letter; letter++) {
        switch (*letter) {
        case 'R':
            *pointers = *at++;
            break;
        case 'L':
            at++;
            break;
        case 'P': {
            uint8_t encoding = *at++;

            /* Where it points, for its length alone: an indirect one is as long as a direct one. */
            if (encoding != OMITTED && !encoded_pointer(&at, encoding & 0x7f, 0, &ignored))
                return false;
            break;
        }
        case 'S':
            description->is_signal_frame = true;
            break;
        default: /* 'z', and 'B' of aarch64 */
            break;
        }
    }
    description->initial = data_end;
    description->initial_end = end;
    return true;
}

bool find_description(uint64_t address, struct description *description)
{
    struct loaded_object object;
    const uint8_t *header, *at, *end, *common;
    uint64_t length;
    uint8_t pointers;
    bool augmented;

    memset(description, 0, sizeof *description);
    if (!find_loaded_object(address, &object) || !(header = find_header(&object))
        || !(at = look_up(header, address)) || !entry_end(&at, &end))
        return false;
    common = at - (int64_t)(int32_t)fixed_number(&(const uint8_t *){ at }, 4);
    at += 4;
    if (!read_common(common, description, &pointers, &augmented)
        || !encoded_pointer(&at, pointers, 0, &description->first_address)
        || !encoded_pointer(&at, pointers & 0x0f, 0, &length)
        || address < description->first_address || address >= description->first_address + length)
        return false;
    if (augmented) {
        uint64_t skipped = unsigned_number(&at);

        at += skipped;
    }
    description->program = at;
    description->program_end = end;
    return true;
}
