/*
 * Green contexts through the driver's own functions: as many multiprocessors of a device as a
 * descriptor says, and one reference to its primary context. A green context and the CUcontext made of
 * it are one handle, as measured.
 */
#include "devices.h"
#include "handles.h"
#include "implementations.h"
#include "primary_contexts.h"

#include <stdlib.h>
#include <string.h>

enum { MULTIPROCESSORS = 132, RESOURCE_OF_MULTIPROCESSORS = 1 };
enum { INVALID_RESOURCE_TYPE = 914, INVALID_RESOURCE_CONFIGURATION = 915 }; /* since CUDA 12.4 */

/* CUdevResource of every CUDA version. The padding is the driver's; here it says whose device it is. */
struct resource {
    uint32_t type;
    int32_t device; /* its ordinal plus one, so that zeros are no resource */
    unsigned char padding[88];
    struct {
        uint32_t count;
        uint32_t smallest_partition;
        uint32_t alignment;
        uint32_t flags;
        uint32_t locality_domain;
    } multiprocessors;
    unsigned char unused[20];
    void *next;
};

_Static_assert(sizeof(struct resource) == 144, "CUdevResource has 144 bytes");
_Static_assert(offsetof(struct resource, multiprocessors) == 96, "its union is at 96");
#ifdef SIMULATED_CUDA_WITH_HEADER
#if CUDA_VERSION >= 12040
_Static_assert(sizeof(CUdevResource) == sizeof(struct resource), "as in this cuda.h");
_Static_assert(offsetof(CUdevResource, sm) == offsetof(struct resource, multiprocessors), "likewise");
#endif
#endif

struct descriptor {
    int ordinal;
};

static struct handle_table descriptors;

static void put_resource(void *out, int ordinal, uint32_t count)
{
    enum { ALIGNMENT = 8 };
    struct resource resource = { .type = RESOURCE_OF_MULTIPROCESSORS, .device = ordinal + 1 };

    resource.multiprocessors.count = count;
    resource.multiprocessors.smallest_partition = ALIGNMENT;
    resource.multiprocessors.alignment = ALIGNMENT;
    memcpy(out, &resource, sizeof resource);
}

/* The resource, if it came from this driver. */
static CUresult get_resource(const void *in, struct resource *resource)
{
    memcpy(resource, in, sizeof *resource);
    if (resource->type != RESOURCE_OF_MULTIPROCESSORS)
        return (CUresult)INVALID_RESOURCE_TYPE;
    return device_at(resource->device - 1) && resource->multiprocessors.count <= MULTIPROCESSORS
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

CUresult device_get_resource(CUdevice handle, CUdevResource *resource, CUdevResourceType type)
{
    const struct device *device = find_device(handle);

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!resource)
        return CUDA_ERROR_INVALID_VALUE;
    if ((int)type != RESOURCE_OF_MULTIPROCESSORS)
        return (CUresult)INVALID_RESOURCE_TYPE;
    put_resource(resource, device->primary.ordinal, MULTIPROCESSORS);
    return CUDA_SUCCESS;
}

/* Of one resource; several in one descriptor are not modelled. */
CUresult resource_generate_description(CUdevResourceDesc *description, CUdevResource *resources,
                                       unsigned int count)
{
    struct descriptor *descriptor;
    struct resource resource;
    void *reserved;
    CUresult result;

    if (!description || !resources || !count)
        return CUDA_ERROR_INVALID_VALUE;
    if (count > 1)
        return CUDA_ERROR_NOT_SUPPORTED;
    result = get_resource(resources, &resource);
    if (result != CUDA_SUCCESS)
        return result;
    if (!resource.multiprocessors.count)
        return (CUresult)INVALID_RESOURCE_CONFIGURATION;
    descriptor = malloc(sizeof *descriptor);
    if (!descriptor || !reserve_handle(&descriptors, descriptor, &reserved)) {
        free(descriptor);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    descriptor->ordinal = resource.device - 1;
    *description = reserved;
    return CUDA_SUCCESS;
}

CUresult green_context_create(CUgreenCtx *green, CUdevResourceDesc description, CUdevice handle,
                              unsigned int flags)
{
    enum { DEFAULT_STREAM = 1 };
    struct device *device = find_device(handle);
    const struct descriptor *descriptor = find_handle(&descriptors, description);
    struct context *context;
    CUresult result;

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!green || !descriptor || flags > DEFAULT_STREAM
        || descriptor->ordinal != device->primary.ordinal)
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
