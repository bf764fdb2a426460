/*
 * References that another library in the process holds. To the driver they are references like any
 * other.
 */
#include "devices.h"
#include "primary_contexts.h"

enum { MAXIMUM_AT_START = 64 };

/* From the environment, taken when the process initialises the driver. */
static struct {
    int ordinal;
    uint32_t references;
} at_start[MAXIMUM_AT_START];
static size_t at_start_count;

bool hold_at_start(int ordinal, uint32_t references)
{
    if (at_start_count == MAXIMUM_AT_START)
        return false;
    at_start[at_start_count].ordinal = ordinal;
    at_start[at_start_count].references = references;
    at_start_count++;
    return true;
}

void forget_references_of_others(void)
{
    at_start_count = 0;
}

CUresult retain_for_others(uint32_t owner, int ordinal, uint32_t references)
{
    struct device *device = device_at(ordinal);
    CUresult result = device ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;

    while (references-- && result == CUDA_SUCCESS)
        result = retain_for(device, owner);
    return result;
}

bool references_of_others_are_possible(int *missing)
{
    for (size_t index = 0; index < at_start_count; index++) {
        *missing = at_start[index].ordinal;
        if (!device_at(*missing))
            return false;
    }
    return true;
}

void apply_references_of_others(void)
{
    for (size_t index = 0; index < at_start_count; index++)
        retain_for_others(OWNER_OTHER_LIBRARY, at_start[index].ordinal,
                          at_start[index].references);
}
