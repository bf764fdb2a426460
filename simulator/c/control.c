/*
 * The control calls: how a test sets the scene and looks behind it. They are exported under the prefix
 * simulated_cuda_, whose presence is how a client can tell that this is not a real driver. They take
 * the driver's lock, and are neither counted, logged nor hit by faults.
 */
#include "simulated.h"

#include <stdlib.h>
#include <string.h>

#define CONTROL EXPORTED

struct simulated_cuda_device {
    uint32_t references;
    uint32_t active;
    uint32_t generation;
    uint32_t flags;
    uint64_t context_bytes;
    uint64_t ordinary_bytes;
    uint64_t pool_bytes;
};

struct simulated_cuda_stack_entry {
    int32_t device;
    uint32_t primary;
    uint32_t alive;
};

struct simulated_cuda_counters {
    uint64_t total_calls;
    uint64_t faults_fired;
    uint64_t underflows;
    uint64_t would_be_crashes;
};

/* Does one thing under the lock and returns its value. */
#define UNDER_LOCK(type, expression)   \
    do {                               \
        type answer_;                  \
        lock_driver();                 \
        answer_ = (expression);        \
        unlock_driver();               \
        return answer_;                \
    } while (0)

CONTROL uint32_t simulated_cuda_version(void)
{
    return 1;
}

/* Back to the defaults, whatever the environment said, and then these. Before cuInit only. */
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

CONTROL uint32_t simulated_cuda_configure(uint32_t devices, int32_t driver_version, uint32_t stub)
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

/* Instead of CUDA_VISIBLE_DEVICES; NULL shows every device. */
CONTROL uint32_t simulated_cuda_set_visible_devices(const char *list)
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

CONTROL uint32_t simulated_cuda_set_device_files(const char *directory)
{
    UNDER_LOCK(uint32_t, set_device_files(directory));
}

CONTROL const char *simulated_cuda_knob_name(uint32_t index)
{
    return knob_name(index);
}

CONTROL uint32_t simulated_cuda_set_knob(const char *name, uint64_t value)
{
    UNDER_LOCK(uint32_t, set_knob(name, value));
}

CONTROL uint32_t simulated_cuda_knob(uint32_t index, uint64_t *value)
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

CONTROL uint32_t simulated_cuda_initialize(void)
{
    UNDER_LOCK(uint32_t, (uint32_t)initialize_for_others());
}

CONTROL void simulated_cuda_deinitialize(void)
{
    lock_driver();
    deinitialize_process();
    unlock_driver();
}

CONTROL uint32_t simulated_cuda_is_initialized(void)
{
    UNDER_LOCK(uint32_t, process_page->initialized);
}

static CUresult retain_foreign(int32_t device, uint32_t references)
{
    CUresult result = initialize_for_others();

    return result == CUDA_SUCCESS ? retain_for_others(device, references) : result;
}

CONTROL uint32_t simulated_cuda_foreign_retain(int32_t device, uint32_t references)
{
    UNDER_LOCK(uint32_t, (uint32_t)retain_foreign(device, references));
}

static CUresult release_foreign(int32_t ordinal)
{
    CUresult refused = refusal_by_state(INITIALIZED);

    return refused == CUDA_SUCCESS ? primary_context_release(ordinal) : refused;
}

CONTROL uint32_t simulated_cuda_foreign_release(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)release_foreign(device));
}

static CUresult runtime_call(int32_t device)
{
    CUresult result = initialize_for_others();

    return result == CUDA_SUCCESS ? call_of_the_runtime(device) : result;
}

CONTROL uint32_t simulated_cuda_runtime_call(int32_t device)
{
    UNDER_LOCK(uint32_t, (uint32_t)runtime_call(device));
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

CONTROL uint32_t simulated_cuda_device(int32_t ordinal, struct simulated_cuda_device *out)
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

/* Memory in stream-ordered pools: it outlives the context. */
CONTROL uint32_t simulated_cuda_set_pool_bytes(int32_t ordinal, uint64_t bytes)
{
    UNDER_LOCK(uint32_t, set_pool_bytes(ordinal, bytes));
}

CONTROL uint32_t simulated_cuda_inject(const char *function, uint64_t nth, int32_t device,
                                       uint32_t code, uint32_t done_then_reported,
                                       uint32_t from_then_on)
{
    UNDER_LOCK(uint32_t, inject_fault(function, nth, device, code, done_then_reported != 0,
                                      from_then_on != 0));
}

CONTROL void simulated_cuda_clear_faults(void)
{
    lock_driver();
    clear_faults();
    unlock_driver();
}

CONTROL void simulated_cuda_record_calls(uint32_t on)
{
    lock_driver();
    set_recording(on != 0);
    unlock_driver();
}

/* Returns how many there are; copies at most capacity of them. */
CONTROL uint64_t simulated_cuda_calls(struct call_record *out, uint64_t capacity)
{
    UNDER_LOCK(uint64_t, copy_recorded_calls(out, capacity));
}

CONTROL void simulated_cuda_clear_calls(void)
{
    lock_driver();
    clear_recorded_calls();
    unlock_driver();
}

CONTROL uint32_t simulated_cuda_log_to_file(const char *path)
{
    UNDER_LOCK(uint32_t, log_calls_to_file(path));
}

CONTROL const char *simulated_cuda_function_name(uint32_t index)
{
    return entry_point_name(index);
}

/* Calls of one function so far, whatever they answered. */
CONTROL uint64_t simulated_cuda_count(uint32_t index)
{
    if (index >= ENTRY_POINT_COUNT)
        return 0;
    UNDER_LOCK(uint64_t, driver.calls[index]);
}

CONTROL void simulated_cuda_counters(struct simulated_cuda_counters *out)
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

/* The calling thread's stack from the bottom; returns its depth, copies at most capacity entries. */
CONTROL uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out, uint32_t capacity)
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

/* Makes a primary context current without retaining it; a negative ordinal takes the current one away. */
CONTROL uint32_t simulated_cuda_set_current(int32_t ordinal)
{
    UNDER_LOCK(uint32_t, (uint32_t)make_current(ordinal));
}
