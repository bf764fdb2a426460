/*
 * A driver that does what others do not, in front of the simulated one: a context is active with any number,
 * there are no devices, and the id of a MIG instance differs from its GPU's in one byte.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

/* What an active context's state is. */
int active_value = 1;
/* What cuDeviceGetCount returns, unless it is this. */
int device_count = 1000;
/* The byte in which the first device's ids differ; the next device has the next byte. */
int first_byte = 16;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int cuDevicePrimaryCtxGetState(int device, unsigned int *flags, int *active)
{
    int (*get_state)(int, unsigned int *, int *) = next("cuDevicePrimaryCtxGetState");
    int code = get_state(device, flags, active);

    if (code == 0 && *active)
        *active = active_value;
    return code;
}

int cuDeviceGetCount(int *count)
{
    int (*get_count)(int *) = next("cuDeviceGetCount");
    int code = get_count(count);

    if (device_count != 1000)
        *count = device_count;
    return code;
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    int (*get_uuid)(unsigned char *, int) = next("cuDeviceGetUuid");
    int code = get_uuid(uuid, device);

    if (first_byte < 16)
        uuid[first_byte++] ^= 1;
    return code;
}
