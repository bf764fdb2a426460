/* The primary context of each device: a count of references, and a context that lives while it is not zero. */
#include "devices.h"
#include "machine.h"

#include <sys/mman.h>

/*
 * The time that an activation or a teardown takes. The driver's lock is free meanwhile, so the caller looks
 * at the state anew afterwards.
 */
static void take_time(uint64_t microseconds)
{
    if (!microseconds)
        return;
    unlock_driver();
    nap((long)microseconds);
    lock_driver();
}

static CUresult activate_primary_context(struct device *device)
{
    struct context *primary = &device->primary;

    take_time(knob(retain_microseconds));
    if (primary->alive)
        return CUDA_SUCCESS;
    if (free_bytes_of(device) < CONTEXT_BYTES)
        return CUDA_ERROR_OUT_OF_MEMORY;
    primary->bytes = CONTEXT_BYTES;
    device->used_bytes += primary->bytes;
    primary->alive = true;
    primary->generation++;
    primary->flags = device->flags;
    primary->id = driver.next_context_id++;
    return CUDA_SUCCESS;
}

/* Ordinary memory goes with the context, pools stay, and no thread's stack is touched. */
static void deactivate_primary_context(struct device *device)
{
    free_allocations(&device->primary);
    device->used_bytes -= device->primary.bytes;
    device->primary.alive = false;
    device->flags = 0;
}

CUresult retain_for(struct device *device, uint32_t owner)
{
    if (!device->primary.alive) {
        CUresult result = activate_primary_context(device);

        if (result != CUDA_SUCCESS)
            return result;
    }
    add_reference(&device->references, owner);
    return CUDA_SUCCESS;
}

CUresult primary_context_retain(CUcontext *context, CUdevice handle)
{
    struct device *device = find_device(handle);
    CUresult result;

    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    result = retain_for(device, acting_owner());
    if (result == CUDA_SUCCESS)
        *context = device->primary.handle;
    return result;
}

/*
 * As measured: while a green context lives, the release that takes the last reference returns 800,
 * takes it all the same, and leaves the context active. With no reference left a release returns 201,
 * active or not.
 */
CUresult release_for(struct device *device, uint32_t owner, CUresult result_at_zero)
{
    struct context *primary = &device->primary;

    if (device->references.count == 1 && !device->green_contexts && primary->alive)
        take_time(knob(release_microseconds));
    if (device->references.count == 0) {
        driver.underflows++;
        return result_at_zero;
    }
    take_reference(&device->references, owner, primary->ordinal);
    if (device->references.count || !primary->alive)
        return CUDA_SUCCESS;
    if (device->green_contexts)
        return CUDA_ERROR_NOT_PERMITTED;
    deactivate_primary_context(device);
    return CUDA_SUCCESS;
}

void die_of_a_bad_address(void)
{
    (void)*(volatile const char *)mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The first generation does not complain if there is nothing to release. */
CUresult primary_context_release(CUdevice handle, int generation)
{
    struct device *device = find_device(handle);

    if (__builtin_expect(driver.child_of_refused, 0) && !device->references.count)
        die_of_a_bad_address();
    return release_for(device, acting_owner(), generation == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT);
}

/* A green context holds the primary context with one ordinary reference. */
CUresult hold_for_green_context(struct device *device)
{
    CUresult result = retain_for(device, OWNER_GREEN_CONTEXT);

    if (result == CUDA_SUCCESS)
        device->green_contexts++;
    return result;
}

/* As measured: its end gives one reference back, and where none is left changes nothing, so that a
   context whose last reference somebody else released stays active for good. */
CUresult let_go_of_green_context(struct device *device)
{
    if (!device->green_contexts)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (device->references.count == 1 && device->green_contexts == 1 && device->primary.alive)
        take_time(knob(release_microseconds));
    if (device->green_contexts)
        device->green_contexts--;
    if (!device->references.count)
        return CUDA_SUCCESS;
    take_reference(&device->references, OWNER_GREEN_CONTEXT, device->primary.ordinal);
    if (!device->references.count && !device->green_contexts && device->primary.alive)
        deactivate_primary_context(device);
    return CUDA_SUCCESS;
}

/* Deactivates in spite of references. The first generation takes one of them; after the second the count stays, and
   the next retain makes the context anew. */
CUresult primary_context_reset(CUdevice handle, int generation)
{
    struct device *device = find_device(handle);

    if (device->primary.alive)
        take_time(knob(release_microseconds));
    if (device->primary.alive)
        deactivate_primary_context(device);
    else
        device->flags = 0;
    if (generation == 1 && device->references.count > 0)
        take_reference(&device->references, acting_owner(), device->primary.ordinal);
    return CUDA_SUCCESS;
}

/* The first generation refuses while the context is active. */
CUresult primary_context_set_flags(CUdevice handle, unsigned int flags, int generation)
{
    struct device *device = find_device(handle);

    if (!context_flags_are_valid(flags))
        return CUDA_ERROR_INVALID_VALUE;
    if (device->primary.alive && generation == 1)
        return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
    device->flags = flags;
    device->primary.flags = flags;
    return CUDA_SUCCESS;
}

CUresult primary_context_get_state(CUdevice handle, unsigned int *flags, int *active)
{
    const struct device *device = find_device(handle);

    if (!flags || !active)
        return CUDA_ERROR_INVALID_VALUE;
    *flags = device->primary.alive ? device->primary.flags : device->flags;
    *active = device->primary.alive;
    return CUDA_SUCCESS;
}
