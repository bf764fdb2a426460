/* The control calls for the machine that processes share. */
#include "control.h"
#include "devices.h"

static CUresult describe(int32_t pid, struct simulated_cuda_target *out)
{
    struct target *target;
    CUresult result;

    publish_own_memory();
    result = begin_with_target(pid, &target);
    if (result != CUDA_SUCCESS)
        return result;
    *out = (struct simulated_cuda_target){ .state = state_of(target),
                                           .lost = is_lost(target),
                                           .busy = target->busy,
                                           .managed_memory = target->managed_memory,
                                           .contexts = target->contexts,
                                           .calls = atomic_load(&target->calls),
                                           .lock_milliseconds = target->lock_milliseconds };
    for (uint32_t share = 0; share < target->share_count; share++)
        out->bytes += target->shares[share].bytes;
    end_with_target();
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_target(int32_t pid, struct simulated_cuda_target *out)
{
    UNDER_LOCK(uint32_t, (uint32_t)describe(pid, out));
}

static CUresult bytes_on(int32_t pid, uint32_t physical, uint64_t *bytes)
{
    struct target *target;
    CUresult result;

    publish_own_memory();
    result = begin_with_target(pid, &target);
    if (result != CUDA_SUCCESS)
        return result;
    *bytes = 0;
    for (uint32_t share = 0; share < target->share_count; share++)
        if (place_of(target, share) == physical)
            *bytes += target->shares[share].bytes;
    end_with_target();
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_target_bytes(int32_t pid, uint32_t physical, uint64_t *bytes)
{
    UNDER_LOCK(uint32_t, (uint32_t)bytes_on(pid, physical, bytes));
}

enum trait { BUSY, MANAGED_MEMORY, STATE };

static CUresult change(int32_t pid, enum trait trait, uint32_t value)
{
    struct target *target;
    CUresult result = begin_with_target(pid, &target);

    if (result != CUDA_SUCCESS)
        return result;
    if (trait == BUSY)
        target->busy = value;
    else if (trait == MANAGED_MEMORY)
        target->managed_memory = value;
    else
        set_state(target, value & STATE_BITS);
    end_with_target();
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_set_target_busy(int32_t pid, uint32_t busy)
{
    UNDER_LOCK(uint32_t, (uint32_t)change(pid, BUSY, busy));
}

uint32_t simulated_cuda_set_target_managed_memory(int32_t pid, uint32_t managed_memory)
{
    UNDER_LOCK(uint32_t, (uint32_t)change(pid, MANAGED_MEMORY, managed_memory));
}

uint32_t simulated_cuda_set_target_state(int32_t pid, uint32_t state)
{
    UNDER_LOCK(uint32_t, (uint32_t)change(pid, STATE, state));
}

static uint64_t free_for_others(uint32_t physical)
{
    publish_own_memory();
    return knob(device_bytes) - bytes_of_all(physical);
}

uint64_t simulated_cuda_machine_free(uint32_t physical)
{
    UNDER_LOCK(uint64_t, free_for_others(physical));
}

uint32_t simulated_cuda_machine_uuid(uint32_t physical, uint8_t *bytes)
{
    if (physical >= MAXIMUM_DEVICES)
        return 0;
    describe_uuid(physical, bytes);
    return 1;
}
