/*
 * A driver of few functions for one device, the ordinal 1. Unlike the simulated one it has no constructor, is
 * unloaded when it is closed, may change errno, and returns the flags that it is given.
 */
#include <errno.h>
#include <stdint.h>

static int references;
static __thread void *current;

static int on_device_1(int device)
{
    return device == 1 ? 0 : 101;
}

int cuInit(unsigned int flags)
{
    return flags ? 1 : 0;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return ordinal < 3 ? 0 : 101;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = &references;
    references += device == 1;
    return on_device_1(device);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    return device == 1 && references > 0 ? (references--, 0) : 201;
}

int cuDevicePrimaryCtxGetState(int device, unsigned int *flags, int *active)
{
    errno = EIO;
    *flags = 0;
    *active = device == 1 && references > 0;
    return 0;
}

int cuGLCtxCreate_v2(void **context, unsigned int flags, int device)
{
    *context = &current;
    return flags ? 1 : on_device_1(device);
}

int cuCtxSetCurrent(void *context)
{
    current = context;
    return 0;
}

int cuCtxGetCurrent(void **context)
{
    *context = current;
    return 0;
}

int cuCtxGetDevice(int *device)
{
    *device = 1;
    return current ? 0 : 201;
}

int cuCtxGetApiVersion(void *context, unsigned int *version)
{
    *version = 12000;
    return context ? 0 : 201;
}

int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status)
{
    *address = (void *)(uintptr_t)(flags << 32 | (unsigned int)version);
    *status = *name;
    return 0;
}
