/*
 * Calls of the driver:
 *
 *   driver:NAME             the driver that is opened; libcuda.so.1 without it
 *   load  init  close       reopen:N closes and opens it N times
 *   retain:D  release:D  reset:D       release1:D and reset1:D: the functions of the old ABI
 *   select:D                retains it and makes it current
 *   create:D  create3:D  create4:D  create-gl:D  destroy  green:D  green-destroy
 *   contexts:N              N ordinary contexts, every other one is destroyed first
 *   by:LIBRARY              from now on this library (library.c) makes the calls; by: is this program again
 *   unload:LIBRARY          closes what `by` opened; 1: it is still there
 *   late:D                  a release by `by` after the end of main
 */
#include "client.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define F(name, types) int(*name) types;
FUNCTIONS(F)
#undef F

void *driver, *by;
static const char *driver_name = "libcuda.so.1";

void open_driver(void)
{
    if (driver)
        return;
    driver = dlopen(driver_name, RTLD_NOW);
    if (!driver) {
        printf("no %s: %s\n", driver_name, dlerror());
        exit(90);
    }
#define F(name, types) name = (int(*) types)dlsym(driver, #name);
    FUNCTIONS(F)
#undef F
}

int device(const char *ordinal)
{
    int handle = -1;

    open_driver();
    cuDeviceGet(&handle, atoi(ordinal));
    return handle;
}

__attribute__((noinline)) int retain(int handle)
{
    int (*through)(int (*)(void **, int), void **, int) = by ? dlsym(by, "retain") : NULL;
    void *context;

    return through ? through(cuDevicePrimaryCtxRetain, &context, handle)
                   : cuDevicePrimaryCtxRetain(&context, handle);
}

/* Neither the driver nor the witness changes errno. */
static int retain_and_check(int handle)
{
    int result;

    errno = EXDEV;
    result = retain(handle);
    return errno == EXDEV ? result : -1;
}

int release(int handle)
{
    int (*through)(int (*)(int), int) = by ? dlsym(by, "release") : NULL;

    return through ? through(cuDevicePrimaryCtxRelease_v2, handle)
                   : cuDevicePrimaryCtxRelease_v2(handle);
}

int retain_and_release(int handle)
{
    return retain(handle) + release(handle);
}

static int destroy(int (*function)(void *), void *context)
{
    int (*through)(int (*)(void *), void *) = by ? dlsym(by, "destroy") : NULL;

    return through ? through(function, context) : function(context);
}

static int create_and_destroy(int count)
{
    void **contexts = calloc((size_t)count, sizeof *contexts);
    int failures = 0;

    for (int index = 0; index < count; index++)
        failures += cuCtxCreate_v2(&contexts[index], 0, device("0")) != 0;
    for (int half = 0; half < 2; half++)
        for (int index = half; index < count; index += 2)
            failures += cuCtxDestroy_v2(contexts[index]) != 0;
    free(contexts);
    return failures;
}

static int create_green(void **context, int handle)
{
    char resource[512] = { 0 };
    void *description;
    int result = cuDeviceGetDevResource(handle, resource, 1);

    result = result ? result : cuDevResourceGenerateDesc(&description, resource, 1);
    return result ? result : cuGreenCtxCreate(context, description, handle, 1);
}

static int reopen(int times)
{
    int failures = 0;

    while (times-- > 0) {
        failures += dlclose(driver) != 0;
        driver = NULL;
        open_driver();
    }
    return failures;
}

int call_driver(const char *verb, const char *value)
{
    static void *ordinary, *green;
    void *primary;
    int result;

    if (is(verb, "driver")) {
        driver_name = value;
        return 0;
    }
    if (is(verb, "by")) {
        by = *value ? dlopen(value, RTLD_NOW) : NULL;
        return 0;
    }
    open_driver();
    if (is(verb, "load"))
        return 0;
    if (is(verb, "init"))
        return cuInit(0);
    if (is(verb, "retain"))
        return retain_and_check(device(value));
    if (is(verb, "release"))
        return release(device(value));
    if (is(verb, "release1"))
        return cuDevicePrimaryCtxRelease(device(value));
    if (is(verb, "reset"))
        return cuDevicePrimaryCtxReset_v2(device(value));
    if (is(verb, "reset1"))
        return cuDevicePrimaryCtxReset(device(value));
    if (is(verb, "select")) {
        result = cuDevicePrimaryCtxRetain(&primary, device(value));
        return result ? result : cuCtxSetCurrent(primary);
    }
    if (is(verb, "create"))
        return cuCtxCreate_v2(&ordinary, 0, device(value));
    if (is(verb, "create3"))
        return cuCtxCreate_v3(&ordinary, NULL, 0, 0, device(value));
    if (is(verb, "create4"))
        return cuCtxCreate_v4(&ordinary, NULL, 0, device(value));
    if (is(verb, "create-gl"))
        return cuGLCtxCreate_v2(&ordinary, 0, device(value));
    if (is(verb, "destroy"))
        return destroy(cuCtxDestroy_v2, ordinary);
    if (is(verb, "green"))
        return create_green(&green, device(value));
    if (is(verb, "green-destroy"))
        return destroy(cuGreenCtxDestroy, green);
    if (is(verb, "contexts"))
        return create_and_destroy(atoi(value));
    if (is(verb, "close"))
        return dlclose(driver);
    if (is(verb, "reopen"))
        return reopen(atoi(value));
    if (is(verb, "unload")) {
        dlclose(by);
        by = NULL;
        return dlopen(value, RTLD_NOW | RTLD_NOLOAD) != NULL;
    }
    if (is(verb, "late")) {
        ((void (*)(int (*)(int), int))dlsym(by, "call_at_the_end"))(cuDevicePrimaryCtxRelease_v2, device(value));
        return 0;
    }
    return UNKNOWN;
}
