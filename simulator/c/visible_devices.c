/*
 * CUDA_VISIBLE_DEVICES: which devices of the machine the process sees, and in what order. Unique ids, which NVIDIA's
 * driver takes too, name no device here: nobody has those of simulated devices.
 */
#include "devices.h"

#include <ctype.h>
#include <stdlib.h>

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
        char *end;
        long physical = strtol(list, &end, 10);

        while (isspace((unsigned char)*end))
            end++;
        if (end == list || (*end && *end != ',') || physical < 0
            || physical >= (long)driver.physical_devices)
            break;
        if (contains(chosen, *count, physical))
            return CUDA_ERROR_INVALID_DEVICE;
        chosen[(*count)++] = (uint32_t)physical;
        list = *end ? end + 1 : NULL;
    }
    return CUDA_SUCCESS;
}
