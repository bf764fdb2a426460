/* Contexts that cuCtxCreate makes. */
#include "devices.h"

#include <stdlib.h>

/*
 * A number of further parameters, negative if they are invalid. They are for execution affinity, which needs MPS, and
 * for graphics interoperation; neither is modelled.
 */
CUresult context_create(CUcontext *handle, unsigned int flags, CUdevice of, uint32_t api_version,
                        int parameters)
{
    struct device *device = find_device(of);
    struct context *context;
    CUresult result;

    if (!handle || !context_flags_are_valid(flags) || parameters < 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (parameters)
        return CUDA_ERROR_NOT_SUPPORTED;
    if (free_bytes_of(device) < CONTEXT_BYTES)
        return CUDA_ERROR_OUT_OF_MEMORY;
    context = calloc(1, sizeof *context);
    if (!context || !reserve_context_handle(context)) {
        free(context);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *context = (struct context){ .handle = context->handle,
                                 .ordinal = device->primary.ordinal,
                                 .generation = 1,
                                 .api_version = api_version,
                                 .flags = flags,
                                 .bytes = CONTEXT_BYTES };
    result = push_context(context);
    if (result != CUDA_SUCCESS)
        return result; /* stays known as a context that never lived */
    context->alive = true;
    context->id = driver.next_context_id++;
    device->used_bytes += context->bytes;
    *handle = context->handle;
    return CUDA_SUCCESS;
}

CUresult context_destroy(CUcontext handle)
{
    struct context *context = find_context(handle);

    if (!context || !context->alive || context->primary)
        return CUDA_ERROR_INVALID_CONTEXT;
    /* Popped where it is on top of the calling thread's stack; other threads keep the dead one. */
    if (current_context() == context)
        pop_context();
    context->alive = false;
    free_allocations(context);
    driver.devices[context->ordinal].used_bytes -= context->bytes;
    return CUDA_SUCCESS;
}
