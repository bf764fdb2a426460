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

struct change {
    uint32_t trait;
    uint32_t value;
};

static CUresult apply(struct target *target, void *data)
{
    const struct change *change = data;

    if (change->trait == SIMULATED_CUDA_BUSY)
        target->busy = change->value;
    else if (change->trait == SIMULATED_CUDA_MANAGED_MEMORY)
        target->managed_memory = change->value;
    else
        set_state(target, change->value & STATE_BITS);
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_change_target(int32_t pid, uint32_t trait, uint32_t value)
{
    struct change change = { .trait = trait, .value = value };

    UNDER_LOCK(uint32_t, (uint32_t)with_target(pid, apply, &change));
}

uint64_t simulated_cuda_machine_free(uint32_t gpu)
{
    UNDER_LOCK(uint64_t, free_for_all(gpu));
}

uint32_t simulated_cuda_machine_uuid(uint32_t gpu, uint8_t *bytes)
{
    if (gpu >= MAXIMUM_DEVICES)
        return 0;
    describe_uuid(gpu, bytes);
    return 1;
}
