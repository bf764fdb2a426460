/* The primary context of each device: a count of references, and a context that lives while it is not zero. */
#include "simulated.h"

/*
 * The time that an activation or a teardown takes. Unless the knob says that it keeps everybody out,
 * the driver's lock is free meanwhile, so the caller looks at the state anew afterwards.
 */
static void take_time(uint64_t microseconds)
{
    struct timespec duration = { .tv_sec = (time_t)(microseconds / 1000000),
                                 .tv_nsec = (long)(microseconds % 1000000) * 1000 };
    bool shared = !knob(delay_holds_lock);

    if (!microseconds)
        return;
    if (shared)
        unlock_driver();
    while (nanosleep(&duration, &duration) != 0) {
    }
    if (shared)
        lock_driver();
}

CUresult activate_primary_context(struct device *device)
{
    struct context *primary = &device->primary;

    if (knob(compute_mode) == 2)
        return CUDA_ERROR_UNKNOWN;
    take_time(knob(retain_microseconds));
    if (primary->alive)
        return CUDA_SUCCESS;
    if (free_bytes_of(device) < knob(context_bytes))
        return CUDA_ERROR_OUT_OF_MEMORY;
    open_device_file(device);
    primary->bytes = knob(context_bytes);
    device->context_bytes += primary->bytes;
    primary->alive = true;
    primary->generation++;
    primary->flags = device->flags;
    primary->id = driver.next_context_id++;
    return CUDA_SUCCESS;
}

/* Ordinary memory goes with the context, pools stay, and no thread's stack is touched. */
void deactivate_primary_context(struct device *device)
{
    free_allocations(&device->primary);
    device->context_bytes -= device->primary.bytes;
    device->primary.alive = false;
    if (!knob(flags_survive_deactivation))
        device->flags = 0;
}

static void deactivate_if_unused(struct device *device)
{
    if (!device->references && !device->green_contexts && device->primary.alive)
        deactivate_primary_context(device);
}

CUresult primary_context_retain(CUcontext *context, CUdevice ordinal)
{
    struct device *device = find_device(ordinal);
    CUresult result;

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    if (!device->primary.alive) {
        result = activate_primary_context(device);
        if (result != CUDA_SUCCESS)
            return result;
    }
    device->references++;
    *context = device->primary.handle;
    return CUDA_SUCCESS;
}

static CUresult release_reference(CUdevice ordinal, CUresult answer_at_zero)
{
    struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (device->references == 1 && !device->green_contexts && device->primary.alive)
        take_time(knob(release_microseconds));
    if (device->references == 0 && device->green_contexts > 0)
        return CUDA_ERROR_NOT_PERMITTED;
    if (device->references == 0) {
        driver.underflows++;
        return answer_at_zero;
    }
    device->references--;
    deactivate_if_unused(device);
    return CUDA_SUCCESS;
}

CUresult primary_context_release(CUdevice ordinal)
{
    return release_reference(ordinal, CUDA_ERROR_INVALID_CONTEXT);
}

CUresult primary_context_release_v1(CUdevice ordinal)
{
    return release_reference(ordinal, answer_of_knob(release_v1_at_zero));
}

/* A green context holds the primary context with a reference of its own kind. */
CUresult add_green_context(CUdevice ordinal)
{
    struct device *device = find_device(ordinal);
    CUresult result = CUDA_SUCCESS;

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!device->primary.alive)
        result = activate_primary_context(device);
    if (result == CUDA_SUCCESS)
        device->green_contexts++;
    return result;
}

CUresult remove_green_context(CUdevice ordinal)
{
    struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!device->green_contexts)
        return CUDA_ERROR_INVALID_CONTEXT;
    device->green_contexts--;
    deactivate_if_unused(device);
    return CUDA_SUCCESS;
}

/* Deactivates, whoever holds references, and takes this many of them. */
static CUresult reset(CUdevice ordinal, uint32_t references_taken)
{
    struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (device->references > 0 && knob(reset_with_references) != CUDA_SUCCESS)
        return answer_of_knob(reset_with_references);
    if (device->primary.alive)
        take_time(knob(release_microseconds));
    if (device->primary.alive)
        deactivate_primary_context(device);
    else if (!knob(flags_survive_deactivation))
        device->flags = 0;
    if (device->references > 0)
        device->references -= references_taken;
    return CUDA_SUCCESS;
}

/* The second generation releases nothing: the count stays, and the next retain makes the context anew. */
CUresult primary_context_reset(CUdevice ordinal)
{
    return reset(ordinal, 0);
}

CUresult primary_context_reset_v1(CUdevice ordinal)
{
    return reset(ordinal, knob(reset_v1_takes_a_reference) ? 1 : 0);
}

CUresult primary_context_set_flags_v1(CUdevice ordinal, unsigned int flags)
{
    struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!context_flags_are_valid(flags))
        return CUDA_ERROR_INVALID_VALUE;
    if (device->primary.alive)
        return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
    device->flags = flags;
    return CUDA_SUCCESS;
}

CUresult primary_context_set_flags(CUdevice ordinal, unsigned int flags)
{
    enum { AT_ONCE = 0, AT_THE_NEXT_ACTIVATION = 1 };
    struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!context_flags_are_valid(flags))
        return CUDA_ERROR_INVALID_VALUE;
    if (device->primary.alive && knob(set_flags_when_active) > AT_THE_NEXT_ACTIVATION)
        return answer_of_knob(set_flags_when_active);
    device->flags = flags;
    if (device->primary.alive && knob(set_flags_when_active) == AT_ONCE)
        device->primary.flags = flags;
    return CUDA_SUCCESS;
}

CUresult primary_context_get_state(CUdevice ordinal, unsigned int *flags, int *active)
{
    const struct device *device = find_device(ordinal);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!flags || !active)
        return CUDA_ERROR_INVALID_VALUE;
    *flags = device->primary.alive ? device->primary.flags : device->flags;
    *active = device->primary.alive;
    return CUDA_SUCCESS;
}
