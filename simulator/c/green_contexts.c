/*
 * Green contexts through the driver's own functions. Each has all multiprocessors of its device, and one reference
 * to its primary context. None can become current.
 */
#include "devices.h"
#include "handles.h"

#include <stdlib.h>
#include <string.h>

enum { RESOURCE_OF_MULTIPROCESSORS = 1, INVALID_RESOURCE_TYPE = 914 /* since CUDA 12.4 */ };

/* CUdevResource of every CUDA version. The padding is the driver's; here it says whose device it is. */
struct resource {
    uint32_t type;
    int32_t device; /* its ordinal plus one, so that zeros are no resource */
    unsigned char padding[88];
    uint32_t multiprocessors;
    unsigned char rest[44];
};

_Static_assert(sizeof(struct resource) == 144, "CUdevResource has 144 bytes");
#ifdef SIMULATED_CUDA_WITH_HEADER
_Static_assert(sizeof(CUdevResource) == sizeof(struct resource), "as in this cuda.h");
_Static_assert(offsetof(CUdevResource, sm) == offsetof(struct resource, multiprocessors), "likewise");
#endif

/* A handle for each descriptor, which is its device. */
static struct handle_table descriptors;

CUresult device_get_resource(CUdevice handle, CUdevResource *out, CUdevResourceType type)
{
    const struct device *device = find_device(handle);
    struct resource resource = { .type = RESOURCE_OF_MULTIPROCESSORS, .multiprocessors = 132 };

    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    if ((int)type != RESOURCE_OF_MULTIPROCESSORS)
        return (CUresult)INVALID_RESOURCE_TYPE;
    resource.device = device->primary.ordinal + 1;
    memcpy(out, &resource, sizeof resource);
    return CUDA_SUCCESS;
}

/* Of one resource; several in one descriptor are not modelled. */
CUresult resource_generate_description(CUdevResourceDesc *description, CUdevResource *resources,
                                       unsigned int count)
{
    struct resource resource;
    struct device *device;
    void *reserved;

    if (!description || !resources || !count)
        return CUDA_ERROR_INVALID_VALUE;
    if (count > 1)
        return CUDA_ERROR_NOT_SUPPORTED;
    memcpy(&resource, resources, sizeof resource);
    if (resource.type != RESOURCE_OF_MULTIPROCESSORS)
        return (CUresult)INVALID_RESOURCE_TYPE;
    device = device_at(resource.device - 1);
    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    if (!reserve_handle(&descriptors, device, &reserved))
        return CUDA_ERROR_OUT_OF_MEMORY;
    *description = reserved;
    return CUDA_SUCCESS;
}

struct green_context {
    bool alive;
    struct device *device;
};

static struct handle_table green_contexts;

int ordinal_of_green_context(CUgreenCtx handle)
{
    const struct green_context *green = find_handle(&green_contexts, handle);

    return green ? green->device->primary.ordinal : NO_DEVICE;
}

CUresult green_context_create(CUgreenCtx *handle, CUdevResourceDesc description, CUdevice of,
                              unsigned int flags)
{
    enum { DEFAULT_STREAM = 1 };
    struct device *device = find_device(of);
    struct green_context *green;
    void *reserved;
    CUresult result;

    if (!handle || flags > DEFAULT_STREAM || find_handle(&descriptors, description) != device)
        return CUDA_ERROR_INVALID_VALUE;
    green = calloc(1, sizeof *green);
    if (!green || !reserve_handle(&green_contexts, green, &reserved)) {
        free(green);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    green->device = device;
    result = hold_for_green_context(device);
    if (result != CUDA_SUCCESS)
        return result; /* stays known as one that never lived */
    green->alive = true;
    *handle = reserved;
    return CUDA_SUCCESS;
}

CUresult green_context_destroy(CUgreenCtx handle)
{
    struct green_context *green = find_handle(&green_contexts, handle);

    if (!green || !green->alive)
        return CUDA_ERROR_INVALID_CONTEXT;
    green->alive = false;
    let_go_of_green_context(green->device);
    return CUDA_SUCCESS;
}
