/* The control calls of simulated_cuda.h: each takes the driver's lock and does its one thing. */
#include "simulated.h"

#include <stdlib.h>
#include <string.h>

/* Does one thing under the lock and returns its value. */
#define UNDER_LOCK(type, expression)   \
    do {                               \
        type answer_;                  \
        lock_driver();                 \
        answer_ = (expression);        \
        unlock_driver();               \
        return answer_;                \
    } while (0)

uint32_t simulated_cuda_version(void)
{
    return 1;
}

/* Whatever the environment said is forgotten. */
static bool configure(uint32_t devices, int32_t driver_version, uint32_t stub)
{
    if (driver.state != NEVER_INITIALIZED || devices > MAXIMUM_DEVICES)
        return false;
    reset_driver();
    driver.physical_devices = devices;
    driver.version = driver_version;
    driver.stub = stub != 0;
    return true;
}

uint32_t simulated_cuda_configure(uint32_t devices, int32_t driver_version, uint32_t stub)
{
    UNDER_LOCK(uint32_t, configure(devices, driver_version, stub));
}

static bool set_visible_devices(const char *list)
{
    char *copy = list ? strdup(list) : NULL;

    if (list && !copy)
        return false;
    free(driver.visible_devices);
    driver.visible_devices = copy;
    driver.visible_devices_given = true;
    return true;
}

uint32_t simulated_cuda_set_visible_devices(const char *list)
{
    UNDER_LOCK(uint32_t, set_visible_devices(list));
}

static bool set_device_files(const char *directory)
{
    if (strlen(directory) >= sizeof driver.device_files)
        return false;
    strcpy(driver.device_files, directory);
    return true;
}

uint32_t simulated_cuda_set_device_files(const char *directory)
{
    UNDER_LOCK(uint32_t, set_device_files(directory));
}

const char *simulated_cuda_knob_name(uint32_t index)
{
    return knob_name(index);
}

uint32_t simulated_cuda_set_knob(const char *name, uint64_t value)
{
    UNDER_LOCK(uint32_t, set_knob(name, value));
}

uint32_t simulated_cuda_knob(uint32_t index, uint64_t *value)
{
    if (index >= KNOB_COUNT)
        return false;
    lock_driver();
    *value = knobs[index];
    unlock_driver();
    return true;
}

/* cuInit by somebody else in the process. */
static CUresult initialize_for_others(void)
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

static CUresult retain_foreign(int32_t device, uint32_t references)
{
    CUresult result = initialize_for_others();

    return result == CUDA_SUCCESS ? retain_for_others(device, references) : result;
}

uint32_t simulated_cuda_foreign_retain(int32_t device, uint32_t references)
{
    UNDER_LOCK(uint32_t, (uint32_t)retain_foreign(device, references));
}

static CUresult release_foreign(int32_t ordinal)
{
    CUresult refused = refusal_by_state(INITIALIZED);

    return refused == CUDA_SUCCESS ? primary_context_release(ordinal) : refused;
}

uint32_t simulated_cuda_foreign_release(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)release_foreign(device));
}

static CUresult runtime_call(int32_t device)
{
    CUresult result = initialize_for_others();

    return result == CUDA_SUCCESS ? call_of_the_runtime(device) : result;
}

uint32_t simulated_cuda_runtime_call(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)runtime_call(device));
}

static CUresult add_green(int32_t device)
{
    CUresult result = initialize_for_others();

    return result == CUDA_SUCCESS ? add_green_context(device) : result;
}

uint32_t simulated_cuda_add_green_context(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)add_green(device));
}

uint32_t simulated_cuda_remove_green_context(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)remove_green_context(device));
}

static bool describe_device(int32_t ordinal, struct simulated_cuda_device *out)
{
    const struct device *device = find_device(ordinal);

    if (!device)
        return false;
    *out = (struct simulated_cuda_device){
        .references = device->references,
        .active = device->primary.alive,
        .generation = device->primary.generation,
        .flags = device->primary.alive ? device->primary.flags : device->flags,
        .context_bytes = device->context_bytes,
        .ordinary_bytes = device->ordinary_bytes,
        .pool_bytes = device->pool_bytes,
    };
    return true;
}

uint32_t simulated_cuda_device(int32_t ordinal, struct simulated_cuda_device *out)
{
    UNDER_LOCK(uint32_t, describe_device(ordinal, out));
}

static bool set_pool_bytes(int32_t ordinal, uint64_t bytes)
{
    struct device *device = find_device(ordinal);

    if (!device)
        return false;
    device->pool_bytes = (size_t)bytes;
    return true;
}

uint32_t simulated_cuda_set_pool_bytes(int32_t ordinal, uint64_t bytes)
{
    UNDER_LOCK(uint32_t, set_pool_bytes(ordinal, bytes));
}

uint32_t simulated_cuda_inject(const char *function, uint64_t nth, int32_t device,
                                       uint32_t code, uint32_t done_then_reported,
                                       uint32_t from_then_on)
{
    UNDER_LOCK(uint32_t, inject_fault(function, nth, device, code, done_then_reported != 0,
                                      from_then_on != 0));
}

void simulated_cuda_clear_faults(void)
{
    lock_driver();
    clear_faults();
    unlock_driver();
}

void simulated_cuda_record_calls(uint32_t on)
{
    lock_driver();
    set_recording(on != 0);
    unlock_driver();
}

uint64_t simulated_cuda_calls(struct simulated_cuda_call *out, uint64_t capacity)
{
    UNDER_LOCK(uint64_t, copy_recorded_calls(out, capacity));
}

void simulated_cuda_clear_calls(void)
{
    lock_driver();
    clear_recorded_calls();
    unlock_driver();
}

uint32_t simulated_cuda_log_to_file(const char *path)
{
    UNDER_LOCK(uint32_t, log_calls_to_file(path));
}

const char *simulated_cuda_function_name(uint32_t index)
{
    return entry_point_name(index);
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
        .would_be_crashes = driver.would_be_crashes,
    };
    unlock_driver();
}

uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out, uint32_t capacity)
{
    struct context *const *entries;
    uint32_t depth;

    lock_driver();
    depth = current_stack(&entries);
    for (uint32_t index = 0; index < depth && index < capacity; index++)
        out[index] = (struct simulated_cuda_stack_entry){ .device = entries[index]->ordinal,
                                                          .primary = entries[index]->primary,
                                                          .alive = entries[index]->alive };
    unlock_driver();
    return depth;
}

static CUresult make_current(int32_t ordinal)
{
    CUresult result = initialize_for_others();
    struct device *device = find_device(ordinal);

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
