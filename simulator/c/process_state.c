/* What the process as a whole may ask: not yet initialised, initialised, at its end, or a fork's child. */
#include "devices.h"
#include "machine.h"
#include "watched_calls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver driver;

/* The driver version of this copy of the library. A program that writes a copy may change it, behind the text. */
static volatile struct {
    char marker[40];
    int32_t version;
} baked = { "the version of this simulated libcuda: ", 13000 };

CUresult driver_get_version(int *version)
{
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = driver.version;
    return CUDA_SUCCESS;
}

/* What a process finds that has set nothing: one device, a driver of CUDA 13.0. */
void reset_driver(void)
{
    driver.version = baked.version;
    driver.physical_devices = 1;
    driver.complaint[0] = '\0';
    free(driver.visible_devices);
    driver.visible_devices = NULL;
    driver.next_context_id = 1;
    reset_knobs();
    clear_faults();
    stop_logging();
    forget_machine();
    memset(driver.held_at_start, 0, sizeof driver.held_at_start);
    forget_owners();
}

static void note_fork(void)
{
    if (process_page_needs_owner)
        wipe_process_page_after_fork();
    process_page->refuses_child = 1;
    driver.child_of_refused = driver.init_refused;
}

CUresult refusal_by_state(enum needs needs)
{
    if (needs == ALWAYS)
        return CUDA_SUCCESS;
    if (driver.state == IS_DEINITIALIZED)
        return CUDA_ERROR_DEINITIALIZED;
    if (driver.state == NEVER_INITIALIZED)
        return CUDA_ERROR_NOT_INITIALIZED;
    /* As measured (E1): the driver learns of a fork through pthread_atfork, so the child of a bare clone continues
       with its parent's state until it calls cuInit. */
    return process_page->initialized || !process_page->refuses_child ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

static CUresult enumerate_devices(void)
{
    static uint32_t chosen[MAXIMUM_DEVICES];
    const char *list =
        driver.visible_devices ? driver.visible_devices : getenv("CUDA_VISIBLE_DEVICES");
    uint32_t count;
    CUresult result = choose_visible_devices(list, chosen, &count);

    if (result != CUDA_SUCCESS)
        return result;
    /* All is made anew: a fork in the middle of another thread's cuInit leaves half of it. */
    forget_context_handles();
    for (uint32_t ordinal = 0; ordinal < count; ordinal++) {
        struct device *device = &driver.devices[ordinal];

        *device = (struct device){
            .physical = chosen[ordinal],
            .primary = { .ordinal = (int)ordinal, .primary = true, .api_version = 3020 },
        };
        if (!reserve_context_handle(&device->primary))
            return CUDA_ERROR_OUT_OF_MEMORY;
    }
    driver.device_count = count;
    return count ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

static CUresult refuse_environment(void)
{
    fprintf(stderr, "simulated libcuda: cuInit fails: %s\n", driver.complaint);
    return CUDA_ERROR_INVALID_VALUE;
}

void deinitialize_process(void)
{
    if (process_page->initialized)
        unregister_process();
    process_page->initialized = 0;
    driver.state = IS_DEINITIALIZED;
}

/* As measured: registered by cuInit, so that handlers registered later still find the driver, earlier ones do not. */
static void deinitialize_at_exit(void)
{
    lock_driver();
    deinitialize_process();
    unlock_driver();
}

/* A constructor of another library can call the driver before the loader has run this one. */
__attribute__((constructor)) static void load_driver(void)
{
    static bool is_loaded;

    if (is_loaded)
        return;
    is_loaded = true;
    map_process_page();
    reset_driver();
    resolve_entry_points();
    read_environment();
    pthread_atfork(NULL, NULL, note_fork);
}

/* References of another library are to the driver like any other. Only devices that there are can be held. */
static bool others_hold_visible_devices(void)
{
    for (uint32_t ordinal = driver.device_count; ordinal < MAXIMUM_DEVICES; ordinal++) {
        if (driver.held_at_start[ordinal]) {
            complain_of_environment("the environment variable SIMULATED_CUDA_HELD_BY_OTHERS names device %u, "
                                    "and this process sees %u",
                                    ordinal, driver.device_count);
            return false;
        }
    }
    return true;
}

static void retain_for_others(void)
{
    for (uint32_t ordinal = 0; ordinal < driver.device_count; ordinal++)
        for (uint32_t reference = 0; reference < driver.held_at_start[ordinal]; reference++)
            retain_for(&driver.devices[ordinal], OWNER_OTHER_LIBRARY);
}

CUresult initialize_process(unsigned int flags)
{
    CUresult result;

    load_driver();
    if (flags != 0) {
        driver.init_refused |= driver.state == NEVER_INITIALIZED;
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (driver.state != NEVER_INITIALIZED) {
        process_page->refuses_child |= !process_page->initialized;
        return refusal_by_state(INITIALIZED);
    }
    if (driver.complaint[0])
        return refuse_environment();
    if (driver.init_failed && !process_page->init_failed)
        die_of_a_bad_address(); /* in the child of a process that found no device */
    result = enumerate_devices();
    if (result != CUDA_SUCCESS) {
        driver.init_failed = result == CUDA_ERROR_NO_DEVICE;
        process_page->init_failed = driver.init_failed;
        return result;
    }
    if (!others_hold_visible_devices())
        return refuse_environment();
    if (!register_process()) {
        fprintf(stderr, "simulated libcuda: cuInit fails: 128 processes are on the machine already, or /proc "
                        "is not there\n");
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    driver.state = IS_INITIALIZED;
    process_page->initialized = 1;
    atexit(deinitialize_at_exit);
    retain_for_others();
    return CUDA_SUCCESS;
}
