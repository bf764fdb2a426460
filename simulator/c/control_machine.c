/* The control calls for the machine that processes share. */
#include "control.h"
#include "devices.h"

/* What this process has is known to the others only once it is published. */
static CUresult look_at(int32_t pid, target_action *look, void *data)
{
    publish_own_memory();
    return with_target(pid, look, data);
}

static CUresult describe(struct target *target, void *data)
{
    struct simulated_cuda_target *out = data;

    *out = (struct simulated_cuda_target){ .state = state_of(target),
                                           .lost = is_lost(target),
                                           .busy = target->busy,
                                           .managed_memory = target->managed_memory,
                                           .contexts = target->contexts,
                                           .calls = atomic_load(&target->calls),
                                           .lock_milliseconds = target->lock_milliseconds };
    for (uint32_t share = 0; share < target->share_count; share++)
        out->bytes += target->shares[share].bytes;
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_target(int32_t pid, struct simulated_cuda_target *out)
{
    UNDER_LOCK(uint32_t, (uint32_t)look_at(pid, describe, out));
}

struct place {
    uint32_t gpu;
    uint64_t bytes;
};

static CUresult measure(struct target *target, void *data)
{
    struct place *place = data;

    place->bytes = bytes_on(target, place->gpu);
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_target_bytes(int32_t pid, uint32_t gpu, uint64_t *bytes)
{
    struct place place = { .gpu = gpu };
    uint32_t result;

    lock_driver();
    result = (uint32_t)look_at(pid, measure, &place);
    unlock_driver();
    *bytes = place.bytes;
    return result;
}

static CUresult set_busy(struct target *target, void *busy)
{
    target->busy = *(const uint32_t *)busy;
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_set_target_busy(int32_t pid, uint32_t busy)
{
    UNDER_LOCK(uint32_t, (uint32_t)with_target(pid, set_busy, &busy));
}

static CUresult set_managed_memory(struct target *target, void *managed_memory)
{
    target->managed_memory = *(const uint32_t *)managed_memory;
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_set_target_managed_memory(int32_t pid, uint32_t managed_memory)
{
    UNDER_LOCK(uint32_t, (uint32_t)with_target(pid, set_managed_memory, &managed_memory));
}

static CUresult put_in_state(struct target *target, void *state)
{
    set_state(target, *(const uint32_t *)state & STATE_BITS);
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_set_target_state(int32_t pid, uint32_t state)
{
    UNDER_LOCK(uint32_t, (uint32_t)with_target(pid, put_in_state, &state));
}

static uint64_t free_for_others(uint32_t gpu)
{
    publish_own_memory();
    return knob(device_bytes) - bytes_of_others(gpu, true);
}

uint64_t simulated_cuda_machine_free(uint32_t gpu)
{
    UNDER_LOCK(uint64_t, free_for_others(gpu));
}

uint32_t simulated_cuda_machine_uuid(uint32_t gpu, uint8_t *bytes)
{
    if (gpu >= MAXIMUM_DEVICES)
        return 0;
    describe_uuid(gpu, bytes);
    return 1;
}
