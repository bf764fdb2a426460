/*
 * Green contexts through the driver's own functions. Each has all multiprocessors of its device, and one reference
 * to its primary context. A green context and the CUcontext made of it are one handle, as measured.
 */
#include "devices.h"
#include "handles.h"
#include "implementations.h"
#include "primary_contexts.h"

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

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
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

CUresult green_context_create(CUgreenCtx *green, CUdevResourceDesc description, CUdevice handle,
                              unsigned int flags)
{
    enum { DEFAULT_STREAM = 1 };
    struct device *device = find_device(handle);
    struct context *context;
    CUresult result;

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!green || flags > DEFAULT_STREAM || find_handle(&descriptors, description) != device)
        return CUDA_ERROR_INVALID_VALUE;
    context = calloc(1, sizeof *context);
    if (!context || !reserve_context_handle(context)) {
        free(context);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    context->ordinal = device->primary.ordinal;
    context->green = true;
    context->api_version = device->primary.api_version;
    result = hold_for_green_context(device);
    if (result != CUDA_SUCCESS)
        return result; /* stays known as a context that never lived */
    context->alive = true;
    context->generation = 1;
    context->id = driver.next_context_id++;
    *green = (CUgreenCtx)context->handle;
    return CUDA_SUCCESS;
}

static struct context *living_green_context(CUgreenCtx green)
{
    struct context *context = find_context((CUcontext)green);

    return context && context->green && context->alive ? context : NULL;
}

CUresult green_context_destroy(CUgreenCtx green)
{
    struct context *context = living_green_context(green);

    if (!context)
        return CUDA_ERROR_INVALID_CONTEXT;
    context->alive = false;
    let_go_of_green_context(&driver.devices[context->ordinal]);
    return CUDA_SUCCESS;
}

CUresult context_from_green_context(CUcontext *out, CUgreenCtx green)
{
    const struct context *context = living_green_context(green);

    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    if (!context)
        return CUDA_ERROR_INVALID_CONTEXT;
    *out = context->handle;
    return CUDA_SUCCESS;
}
