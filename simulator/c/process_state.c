/* What the process as a whole may ask: not yet initialised, initialised, at its end, or a fork's child. */
#include "simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver driver;

/* What a process finds that has set nothing: one device, a driver of CUDA 13.0. */
void reset_driver(void)
{
    driver.version = 13000;
    driver.physical_devices = 1;
    driver.stub = false;
    driver.malformed_variable[0] = '\0';
    driver.device_files[0] = '\0';
    driver.visible_devices_given = false;
    free(driver.visible_devices);
    driver.visible_devices = NULL;
    driver.next_context_id = 1;
    reset_knobs();
    clear_faults();
    stop_logging();
    forget_foreign_references();
    update_watched();
}

CUresult refusal_by_state(enum needs needs)
{
    if (driver.stub)
        return CUDA_ERROR_STUB_LIBRARY;
    if (needs == ALWAYS)
        return CUDA_SUCCESS;
    if (driver.state == IS_DEINITIALIZED)
        return CUDA_ERROR_DEINITIALIZED;
    if (driver.state == NEVER_INITIALIZED)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (process_page->initialized)
        return CUDA_SUCCESS;
    /* Initialised, but not in this process: a forked child. */
    process_page->initialized = knob(child_after_init) == CUDA_SUCCESS;
    return answer_of_knob(child_after_init);
}

static CUresult enumerate_devices(void)
{
    static uint32_t chosen[MAXIMUM_DEVICES];
    const char *list =
        driver.visible_devices_given ? driver.visible_devices : getenv("CUDA_VISIBLE_DEVICES");
    uint32_t count = choose_visible_devices(list, driver.physical_devices, chosen);

    /* Written anew each time: a fork in the middle of another thread's cuInit leaves half a list. */
    for (uint32_t ordinal = 0; ordinal < count; ordinal++) {
        struct device *device = &driver.devices[ordinal];
        struct context *primary = &device->primary;

        if (!primary->handle && !reserve_primary_handle(primary))
            return CUDA_ERROR_OUT_OF_MEMORY;
        *device = (struct device){
            .physical = chosen[ordinal],
            .file = -1,
            .primary = { .handle = primary->handle,
                         .ordinal = (int)ordinal,
                         .primary = true,
                         .api_version = 3020 },
        };
    }
    driver.device_count = count;
    return count ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

static CUresult refuse_malformed_environment(void)
{
    fprintf(stderr, "simulated libcuda: the environment variable %s makes no sense, cuInit fails\n",
            driver.malformed_variable);
    return CUDA_ERROR_UNKNOWN;
}

CUresult initialize_process(unsigned int flags)
{
    CUresult result;

    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (driver.state != NEVER_INITIALIZED)
        return refusal_by_state(INITIALIZED);
    if (driver.malformed_variable[0])
        return refuse_malformed_environment();
    if (driver.init_failed && !process_page->init_failed)
        return answer_of_knob(child_after_failed_init);
    result = enumerate_devices();
    if (result != CUDA_SUCCESS) {
        driver.init_failed = result == CUDA_ERROR_NO_DEVICE;
        process_page->init_failed = driver.init_failed;
        return result;
    }
    open_control_file();
    driver.state = IS_INITIALIZED;
    process_page->initialized = 1;
    apply_foreign_references();
    return CUDA_SUCCESS;
}

void deinitialize_process(void)
{
    close_device_files();
    process_page->initialized = 0;
    driver.state = IS_DEINITIALIZED;
}

CUresult driver_get_version(int *version)
{
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = driver.version;
    return CUDA_SUCCESS;
}

static void deinitialize_at_exit(void)
{
    lock_driver();
    if (knob(deinitialize_at_exit))
        deinitialize_process();
    unlock_driver();
}

__attribute__((constructor)) static void load(void)
{
    map_process_page();
    reset_driver();
    resolve_entry_points();
    read_environment();
    atexit(deinitialize_at_exit);
}
