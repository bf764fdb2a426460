/* The control calls for what others in the process do: their references and green contexts. */
#include "control.h"
#include "devices.h"
#include "primary_contexts.h"
#include "process.h"

static CUresult retain_by_others(uint32_t owner, int32_t device, uint32_t references)
{
    CUresult result = initialize_for_others();

    if (result == CUDA_SUCCESS && owner >= MAXIMUM_OWNERS)
        return CUDA_ERROR_INVALID_VALUE;
    return result == CUDA_SUCCESS ? retain_for_others(owner, device, references) : result;
}

uint32_t simulated_cuda_retain_by(uint32_t owner, int32_t device, uint32_t references)
{
    UNDER_LOCK(uint32_t, (uint32_t)retain_by_others(owner, device, references));
}

static CUresult release_by_others(uint32_t owner, int32_t ordinal)
{
    struct device *device = device_at(ordinal);
    CUresult refused = refusal_by_state(INITIALIZED);

    if (refused != CUDA_SUCCESS)
        return refused;
    if (owner >= MAXIMUM_OWNERS)
        return CUDA_ERROR_INVALID_VALUE;
    return device ? release_for(device, owner, CUDA_ERROR_INVALID_CONTEXT)
                  : CUDA_ERROR_INVALID_DEVICE;
}

uint32_t simulated_cuda_release_by(uint32_t owner, int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)release_by_others(owner, device));
}

static CUresult add_green(int32_t ordinal)
{
    CUresult result = initialize_for_others();
    struct device *device = device_at(ordinal);

    if (result != CUDA_SUCCESS)
        return result;
    return device ? hold_for_green_context(device) : CUDA_ERROR_INVALID_DEVICE;
}

uint32_t simulated_cuda_add_green_context(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)add_green(device));
}

static CUresult remove_green(int32_t ordinal)
{
    struct device *device = device_at(ordinal);

    return device ? let_go_of_green_context(device) : CUDA_ERROR_INVALID_DEVICE;
}

uint32_t simulated_cuda_remove_green_context(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)remove_green(device));
}

uint32_t simulated_cuda_act_as(uint32_t owner)
{
    UNDER_LOCK(uint32_t, owner < MAXIMUM_OWNERS ? act_as(owner) : acting_owner());
}

uint64_t simulated_cuda_taken(struct simulated_cuda_taken *out, uint64_t capacity)
{
    UNDER_LOCK(uint64_t, copy_taken(out, capacity));
}
