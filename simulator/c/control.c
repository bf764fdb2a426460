/* The control calls of simulated_cuda.h: each takes the driver's lock and does its one thing. */
#include "control.h"
#include "devices.h"
#include "implementations.h"
#include "process.h"
#include "watched_calls.h"

#include <stdlib.h>
#include <string.h>

uint32_t simulated_cuda_version(void)
{
    return 1;
}

static bool forget_settings(void)
{
    if (driver.state != NEVER_INITIALIZED)
        return false;
    reset_driver();
    return true;
}

uint32_t simulated_cuda_forget_settings(void)
{
    UNDER_LOCK(uint32_t, forget_settings());
}

const char *simulated_cuda_set(const char *setting)
{
    lock_driver();
    driver.complaint[0] = '\0';
    read_setting(setting);
    unlock_driver();
    return driver.complaint[0] ? driver.complaint : NULL;
}

/* cuInit by somebody else in the process. */
CUresult initialize_for_others(void)
{
    CUresult refused = refusal_by_state(ALWAYS);

    return refused == CUDA_SUCCESS ? initialize_process(0) : refused;
}

uint32_t simulated_cuda_initialize(void)
{
    UNDER_LOCK(uint32_t, (uint32_t)initialize_for_others());
}

void simulated_cuda_deinitialize(void)
{
    lock_driver();
    deinitialize_process();
    unlock_driver();
}

uint32_t simulated_cuda_is_initialized(void)
{
    UNDER_LOCK(uint32_t, process_page->initialized);
}

int32_t simulated_cuda_device_handle(int32_t device)
{
    UNDER_LOCK(int32_t, device_handle(device));
}

static bool describe_device(int32_t ordinal, struct simulated_cuda_device *out)
{
    const struct device *device = device_at(ordinal);

    if (!device)
        return false;
    *out = (struct simulated_cuda_device){
        .references = device->references.count,
        .active = device->primary.alive,
        .generation = device->primary.generation,
        .flags = device->primary.alive ? device->primary.flags : device->flags,
        .context_bytes = device->context_bytes,
        .ordinary_bytes = device->ordinary_bytes,
    };
    return true;
}

uint32_t simulated_cuda_device(int32_t ordinal, struct simulated_cuda_device *out)
{
    UNDER_LOCK(uint32_t, describe_device(ordinal, out));
}

uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out, uint32_t capacity)
{
    struct context *const *entries;
    uint32_t depth;

    lock_driver();
    depth = current_stack(&entries);
    for (uint32_t index = 0; index < depth && index < capacity; index++)
        out[index] = (struct simulated_cuda_stack_entry){ .device = (uint32_t)entries[index]->ordinal,
                                                          .primary = entries[index]->primary,
                                                          .alive = entries[index]->alive };
    unlock_driver();
    return depth;
}

static CUresult make_current(int32_t ordinal)
{
    CUresult result = initialize_for_others();
    struct device *device = device_at(ordinal);

    if (result != CUDA_SUCCESS)
        return result;
    if (ordinal < 0)
        return context_set_current(NULL);
    return device ? replace_current_context(&device->primary) : CUDA_ERROR_INVALID_DEVICE;
}

uint32_t simulated_cuda_set_current(int32_t ordinal)
{
    UNDER_LOCK(uint32_t, (uint32_t)make_current(ordinal));
}

void simulated_cuda_clear_faults(void)
{
    lock_driver();
    clear_faults();
    unlock_driver();
}

uint32_t simulated_cuda_add_hook(const char *function, uint64_t nth, uint32_t after,
                                 simulated_cuda_hook run, simulated_cuda_hook discard, void *data)
{
    UNDER_LOCK(uint32_t, add_hook(function, nth, after != 0, run, discard, data));
}

void simulated_cuda_clear_hooks(void)
{
    lock_driver();
    clear_hooks();
    unlock_driver();
}

uint64_t simulated_cuda_count(uint32_t index)
{
    if (index >= ENTRY_POINT_COUNT)
        return 0;
    UNDER_LOCK(uint64_t, driver.calls[index]);
}

void simulated_cuda_counters(struct simulated_cuda_counters *out)
{
    lock_driver();
    *out = (struct simulated_cuda_counters){
        .total_calls = driver.total_calls,
        .faults_fired = faults_fired(),
        .underflows = driver.underflows,
    };
    unlock_driver();
}
