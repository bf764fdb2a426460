/* CUDA_VISIBLE_DEVICES: which devices of the machine the process sees, and in what order. */
#include "devices.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static long device_of_ordinal(const char *entry, size_t length)
{
    char *end;
    long physical = strtol(entry, &end, 10);
    bool is_a_number = length && end == entry + length;

    return is_a_number && physical >= 0 && physical < (long)driver.physical_devices ? physical : NO_DEVICE;
}

/* "GPU-" or "MIG-" and as much of the unique id as only one device has. */
static long device_of_id(const char *entry, size_t length, bool of_instances)
{
    long found = NO_DEVICE;

    for (uint32_t physical = 0; physical < driver.physical_devices; physical++) {
        unsigned char id[16];
        char text[48];
        char *end = text + sprintf(text, of_instances ? "MIG" : "GPU");

        (of_instances ? describe_instance_uuid : describe_uuid)(physical, id);
        for (int index = 0; index < 16; index++)
            end += sprintf(end, index % 2 || index > 10 || index == 2 ? "%02x" : "-%02x", id[index]);
        if (strncasecmp(text, entry, length) != 0)
            continue;
        if (found != NO_DEVICE)
            return NO_DEVICE;
        found = physical;
    }
    return found;
}

static long device_of(const char *entry, size_t length)
{
    while (length && isspace((unsigned char)*entry)) {
        entry++;
        length--;
    }
    while (length && isspace((unsigned char)entry[length - 1]))
        length--;
    if (strncasecmp(entry, "GPU-", 4) == 0)
        return device_of_id(entry, length, false);
    if (knob(mig_instances) && strncasecmp(entry, "MIG-", 4) == 0)
        return device_of_id(entry, length, true);
    return device_of_ordinal(entry, length);
}

static bool contains(const uint32_t *chosen, uint32_t count, long physical)
{
    for (uint32_t index = 0; index < count; index++)
        if (chosen[index] == physical)
            return true;
    return false;
}

/* The first entry that names no device ends the list. NULL: all devices; an empty list: none. */
CUresult choose_visible_devices(const char *list, uint32_t *chosen, uint32_t *count)
{
    *count = 0;
    if (!list) {
        for (; *count < driver.physical_devices; ++*count)
            chosen[*count] = *count;
        return CUDA_SUCCESS;
    }
    while (list) {
        size_t length = strcspn(list, ",");
        long physical = device_of(list, length);

        if (physical == NO_DEVICE)
            break;
        if (contains(chosen, *count, physical))
            return CUDA_ERROR_INVALID_DEVICE;
        chosen[(*count)++] = (uint32_t)physical;
        list = list[length] ? list + length + 1 : NULL;
    }
    return CUDA_SUCCESS;
}
