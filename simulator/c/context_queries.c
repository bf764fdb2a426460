/* What a context says about itself, living and dead. */
#include "devices.h"

CUresult living_current_context(struct context **context, CUresult result_if_dead)
{
    *context = current_context();
    if (!*context)
        return CUDA_ERROR_INVALID_CONTEXT;
    return (*context)->alive ? CUDA_SUCCESS : result_if_dead;
}

/* NULL means the current one. */
static CUresult living_context(CUcontext handle, struct context **context, CUresult result_if_dead)
{
    if (!handle)
        return living_current_context(context, result_if_dead);
    *context = find_context(handle);
    if (!*context)
        return CUDA_ERROR_INVALID_CONTEXT;
    return (*context)->alive ? CUDA_SUCCESS : result_if_dead;
}

CUresult context_get_device(CUdevice *device)
{
    struct context *context;
    CUresult result = living_current_context(&context, (CUresult)knob(get_device_on_dead));

    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *device = device_handle(context->ordinal);
    return result;
}

CUresult context_synchronize(void)
{
    struct context *context;

    return living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

/* A living context maps host memory whatever it was made with; a dead one has no flags. */
CUresult context_get_flags(unsigned int *flags)
{
    enum { MAP_HOST = 0x08 };
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_SUCCESS);

    if (!flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *flags = context->alive ? context->flags | MAP_HOST : 0;
    return result;
}

CUresult context_get_api_version(CUcontext handle, unsigned int *version)
{
    struct context *context;
    CUresult result =
        living_context(handle, &context,
                       handle ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *version = context->api_version;
    return result;
}

CUresult context_get_id(CUcontext handle, unsigned long long *id)
{
    struct context *context;
    CUresult result = living_context(handle, &context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (!id)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *id = context->id;
    return result;
}

/* Both outputs are optional; greater priorities are lower numbers. */
CUresult context_get_stream_priority_range(int *least, int *greatest)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (result != CUDA_SUCCESS)
        return result;
    if (least)
        *least = 0;
    if (greatest)
        *greatest = -5;
    return CUDA_SUCCESS;
}
