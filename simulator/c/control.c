/* The control calls of simulated_cuda.h. */
#include "devices.h"
#include "machine.h"
#include "watched_calls.h"

static void end_control(const char *unused)
{
    (void)unused;
    if (driver.shares_machine)
        publish_own_memory();
    unlock_driver();
}

/* Holds the driver's lock until the function returns. */
#define UNDER_LOCK                                                \
    __attribute__((cleanup(end_control), unused)) char held_ = 0; \
    lock_driver()

uint32_t simulated_cuda_version(void)
{
    return 2;
}

uint32_t simulated_cuda_forget_settings(void)
{
    UNDER_LOCK;
    if (driver.state != NEVER_INITIALIZED)
        return 0;
    reset_driver();
    return 1;
}

const char *simulated_cuda_set(const char *setting)
{
    UNDER_LOCK;
    driver.complaint[0] = '\0';
    read_setting(setting);
    return driver.complaint[0] ? driver.complaint : NULL;
}

uint64_t simulated_cuda_number(uint32_t which, uint32_t of)
{
    UNDER_LOCK;
    const struct device *device = device_at((int)of);

    switch (which) {
    case SIMULATED_CUDA_IS_INITIALIZED:
        return process_page->initialized;
    case SIMULATED_CUDA_TOTAL_CALLS:
        return driver.total_calls;
    case SIMULATED_CUDA_FAULTS_FIRED:
        return faults_fired();
    case SIMULATED_CUDA_UNDERFLOWS:
        return driver.underflows;
    case SIMULATED_CUDA_CALLS:
        return of < ENTRY_POINT_COUNT ? driver.calls[of] : SIMULATED_CUDA_NONE;
    case SIMULATED_CUDA_FREE_BYTES:
        return free_for_all(of);
    case SIMULATED_CUDA_HANDLE:
        return (uint32_t)device_handle((int)of);
    }
    if (!device)
        return SIMULATED_CUDA_NONE;
    switch (which) {
    case SIMULATED_CUDA_REFERENCES:
        return device->references.count;
    case SIMULATED_CUDA_IS_ACTIVE:
        return device->primary.alive;
    case SIMULATED_CUDA_GENERATION:
        return device->primary.generation;
    case SIMULATED_CUDA_FLAGS:
        return device->primary.alive ? device->primary.flags : device->flags;
    default:
        return SIMULATED_CUDA_NONE;
    }
}

/* cuInit by somebody else in the process. */
static CUresult initialize_for_others(void)
{
    CUresult refused = refusal_by_state(ALWAYS);

    return refused == CUDA_SUCCESS ? initialize_process(0) : refused;
}

void simulated_cuda_deinitialize(void)
{
    UNDER_LOCK;
    deinitialize_process();
}

uint32_t simulated_cuda_change_references(uint32_t owner, int32_t ordinal, int32_t change)
{
    UNDER_LOCK;
    CUresult result = change < 0 ? refusal_by_state(INITIALIZED) : initialize_for_others();
    struct device *device = device_at(ordinal);

    if (result != CUDA_SUCCESS)
        return result;
    if (owner >= MAXIMUM_OWNERS)
        return CUDA_ERROR_INVALID_VALUE;
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (owner == OWNER_GREEN_CONTEXT)
        return change < 0 ? let_go_of_green_context(device) : hold_for_green_context(device);
    if (change < 0)
        return release_for(device, owner, CUDA_ERROR_INVALID_CONTEXT);
    while (change-- && result == CUDA_SUCCESS)
        result = retain_for(device, owner);
    return result;
}

uint32_t simulated_cuda_act_as(uint32_t owner)
{
    UNDER_LOCK;
    return owner < MAXIMUM_OWNERS ? act_as(owner) : acting_owner();
}

uint64_t simulated_cuda_taken(struct simulated_cuda_taken *out, uint64_t capacity)
{
    UNDER_LOCK;
    return copy_taken(out, capacity);
}

uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out, uint32_t capacity)
{
    UNDER_LOCK;
    struct context *const *entries;
    uint32_t depth = current_stack(&entries);

    for (uint32_t index = 0; index < depth && index < capacity; index++)
        out[index] = (struct simulated_cuda_stack_entry){ .device = (uint32_t)entries[index]->ordinal,
                                                          .primary = entries[index]->primary,
                                                          .alive = entries[index]->alive };
    return depth;
}

uint32_t simulated_cuda_set_current(int32_t ordinal)
{
    UNDER_LOCK;
    CUresult result = initialize_for_others();
    struct device *device = device_at(ordinal);

    if (result != CUDA_SUCCESS)
        return result;
    if (ordinal < 0)
        return context_set_current(NULL);
    return device ? replace_current_context(&device->primary) : CUDA_ERROR_INVALID_DEVICE;
}

void simulated_cuda_clear_faults(void)
{
    UNDER_LOCK;
    clear_faults();
}

uint32_t simulated_cuda_add_hook(const char *function, uint64_t nth, uint32_t after,
                                 simulated_cuda_hook run, void *data)
{
    UNDER_LOCK;
    return add_hook(function, nth, after != 0, run, data);
}

struct question {
    uint32_t gpu;
    struct simulated_cuda_target *out;
};

static CUresult describe(struct target *target, void *data)
{
    const struct question *question = data;

    *question->out = (struct simulated_cuda_target){ .state = target->state,
                                                     .calls = target->calls,
                                                     .lock_milliseconds = target->lock_milliseconds,
                                                     .bytes = bytes_on(target, question->gpu) };
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_target(int32_t pid, uint32_t gpu, struct simulated_cuda_target *out)
{
    UNDER_LOCK;
    publish_own_memory(); /* the process may be this one */
    return with_target(pid, describe, &(struct question){ .gpu = gpu, .out = out });
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
        target->state = change->value;
    return CUDA_SUCCESS;
}

uint32_t simulated_cuda_change_target(int32_t pid, uint32_t trait, uint32_t value)
{
    UNDER_LOCK;
    return with_target(pid, apply, &(struct change){ .trait = trait, .value = value });
}

uint32_t simulated_cuda_machine_uuid(uint32_t gpu, uint8_t *bytes)
{
    if (gpu >= MAXIMUM_DEVICES)
        return 0;
    describe_uuid(gpu, bytes);
    return 1;
}
