/* A driver of few functions, which has no constructor and reports what it is given. */
#include <stdint.h>

int cuInit(unsigned int flags)
{
    return flags ? 1 : 0;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return 0;
}

int cuGLCtxCreate_v2(void **context, unsigned int flags, int device)
{
    *context = &cuDeviceGet;
    return flags ? 1 : device < 4 ? 0 : 101;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = &cuInit;
    return device < 4 ? 0 : 101;
}

int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status)
{
    *address = (void *)(uintptr_t)(flags << 32 | (unsigned int)version);
    *status = *name;
    return 0;
}
