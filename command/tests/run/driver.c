/* A driver that is unloaded when it is closed and whose calls change errno, which the simulated one does not do. */
#include <errno.h>

static int references;
static __thread void *current;

static int returned(int result)
{
    errno = EIO;
    return result;
}

int cuInit(unsigned int flags)
{
    return returned(flags ? 1 : 0);
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return returned(ordinal < 3 ? 0 : 101);
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = &references;
    references++;
    return returned(device == 1 ? 0 : 101);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    return returned(device == 1 && references > 0 ? (references--, 0) : 201);
}

int cuDevicePrimaryCtxGetState(int device, unsigned int *flags, int *active)
{
    *flags = 0;
    *active = device == 1 && references > 0;
    return returned(0);
}

int cuCtxSetCurrent(void *context)
{
    current = context;
    return returned(0);
}

int cuCtxGetCurrent(void **context)
{
    *context = current;
    return returned(0);
}

int cuCtxGetDevice(int *device)
{
    *device = 1;
    return returned(current ? 0 : 201);
}

int cuCtxGetApiVersion(void *context, unsigned int *version)
{
    *version = 12000;
    return returned(context ? 0 : 201);
}
