/* CUDA_VISIBLE_DEVICES: which devices of the machine the process sees, and in what order. */
#include "devices.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOT_A_DEVICE = -1 };

/* An ordinal, with nothing but blanks around it. */
static long parse_ordinal(const char *entry, uint32_t physical_devices)
{
    char *end;
    long ordinal;

    ordinal = strtol(entry, &end, 10);
    while (isspace((unsigned char)*end))
        end++;
    if (end == entry || *end || ordinal < 0 || ordinal >= (long)physical_devices)
        return NOT_A_DEVICE;
    return ordinal;
}

static void print_uuid(const char *prefix, const unsigned char bytes[16], char text[48])
{
    char *out = text + sprintf(text, "%s", prefix);

    for (int index = 0; index < 16; index++)
        out += sprintf(out, index == 4 || index == 6 || index == 8 || index == 10 ? "-%02x" : "%02x",
                       bytes[index]);
}

/* "GPU-" or "MIG-" and as much of the UUID as only one device has. */
static long parse_uuid(const char *entry, uint32_t physical_devices, bool of_instances)
{
    long found = NOT_A_DEVICE;
    size_t length = strlen(entry);
    char text[48];

    for (uint32_t physical = 0; physical < physical_devices; physical++) {
        unsigned char bytes[16];

        if (of_instances)
            describe_instance_uuid(physical, bytes);
        else
            describe_uuid(physical, bytes);
        print_uuid(of_instances ? "MIG-" : "GPU-", bytes, text);
        if (strncasecmp(text, entry, length) != 0)
            continue;
        if (found != NOT_A_DEVICE)
            return NOT_A_DEVICE;
        found = (long)physical;
    }
    return found;
}

static long parse_entry(char *entry, uint32_t physical_devices)
{
    size_t length;

    while (isspace((unsigned char)*entry))
        entry++;
    length = strlen(entry);
    while (length && isspace((unsigned char)entry[length - 1]))
        entry[--length] = '\0';
    if (strncasecmp(entry, "GPU-", 4) == 0)
        return parse_uuid(entry, physical_devices, false);
    if (knob(mig_instances) && strncasecmp(entry, "MIG-", 4) == 0)
        return parse_uuid(entry, physical_devices, true);
    return parse_ordinal(entry, physical_devices);
}

static bool contains(const uint32_t *chosen, uint32_t count, uint32_t physical)
{
    for (uint32_t index = 0; index < count; index++)
        if (chosen[index] == physical)
            return true;
    return false;
}

static CUresult choose_listed(char *list, uint32_t physical_devices, uint32_t *chosen, uint32_t *count)
{
    char *rest = list;
    char *entry;

    while ((entry = strsep(&rest, ","))) {
        long physical = parse_entry(entry, physical_devices);

        if (physical == NOT_A_DEVICE)
            break;
        if (contains(chosen, *count, (uint32_t)physical))
            return CUDA_ERROR_INVALID_DEVICE;
        chosen[(*count)++] = (uint32_t)physical;
    }
    return CUDA_SUCCESS;
}

/* The first entry that names no device ends the list. NULL: all devices; an empty list: none. */
CUresult choose_visible_devices(const char *list, uint32_t physical_devices, uint32_t *chosen, uint32_t *count)
{
    CUresult result;
    char *copy;

    *count = 0;
    if (!list) {
        for (; *count < physical_devices; ++*count)
            chosen[*count] = *count;
        return CUDA_SUCCESS;
    }
    copy = strdup(list);
    if (!copy)
        return CUDA_ERROR_OUT_OF_MEMORY;
    result = choose_listed(copy, physical_devices, chosen, count);
    free(copy);
    return result;
}
