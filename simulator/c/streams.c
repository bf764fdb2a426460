/* Streams: names for an order of work. There is no work here, so whatever is asked has already happened. */
#include "devices.h"
#include "handles.h"
#include "implementations.h"
#include "streams.h"

#include <stdlib.h>

struct stream {
    bool destroyed;
    unsigned int flags;
    int priority;
    uint32_t generation;
    uint64_t id;
    struct context *context;
};

static struct handle_table streams;

static bool is_default_stream(CUstream handle)
{
    return !handle || handle == LEGACY_STREAM || handle == PER_THREAD_STREAM;
}

/* Fills in the stream that a handle means; a default stream is the current context's. */
static CUresult find_stream(CUstream handle, struct stream *found, struct stream **stored)
{
    CUresult result;

    *stored = NULL;
    *found = (struct stream){ .id = (uintptr_t)handle };
    if (is_default_stream(handle)) {
        result = living_current_context(&found->context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
        if (result == CUDA_SUCCESS)
            found->generation = found->context->generation;
        return result;
    }
    *stored = find_handle(&streams, handle);
    if (!*stored || (*stored)->destroyed)
        return CUDA_ERROR_INVALID_HANDLE;
    *found = **stored;
    return refusal_of_object(found->context, found->generation);
}

/* As measured for streams. Other drivers have crashed. */
CUresult refusal_of_object(const struct context *context, uint32_t generation)
{
    return context->alive && context->generation == generation ? CUDA_SUCCESS
                                                               : CUDA_ERROR_INVALID_CONTEXT;
}

int ordinal_of_stream(CUstream handle)
{
    const struct stream *stream;

    if (is_default_stream(handle))
        return ordinal_of_current_context();
    stream = find_handle(&streams, handle);
    return stream ? stream->context->ordinal : NO_DEVICE;
}

CUresult context_of_stream(CUstream handle, struct context **context)
{
    struct stream stream;
    struct stream *stored;
    CUresult result = find_stream(handle, &stream, &stored);

    *context = stream.context;
    return result;
}

CUresult stream_create_with_priority(CUstream *handle, unsigned int flags, int priority)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    static uint64_t next_id = 16;
    struct stream *stream;
    void *reserved;

    if (!handle || flags > 1)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_ERROR_CONTEXT_IS_DESTROYED)
        *handle = (CUstream)UINTPTR_MAX; /* as measured */
    if (result != CUDA_SUCCESS)
        return result;
    stream = calloc(1, sizeof *stream);
    if (!stream || !reserve_handle(&streams, stream, &reserved)) {
        free(stream);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *stream = (struct stream){ .flags = flags,
                               .priority = priority > 0 ? 0 : priority < -5 ? -5 : priority,
                               .generation = context->generation,
                               .id = next_id++,
                               .context = context };
    *handle = reserved;
    return CUDA_SUCCESS;
}

CUresult stream_create(CUstream *handle, unsigned int flags)
{
    return stream_create_with_priority(handle, flags, 0);
}

CUresult stream_destroy(CUstream handle)
{
    struct stream stream;
    struct stream *stored;
    CUresult result = find_stream(handle, &stream, &stored);

    if (is_default_stream(handle))
        return CUDA_ERROR_INVALID_HANDLE;
    if (result == CUDA_SUCCESS)
        stored->destroyed = true;
    return result;
}

CUresult stream_synchronize(CUstream handle)
{
    struct context *context;

    return context_of_stream(handle, &context);
}

CUresult stream_get_flags(CUstream handle, unsigned int *flags)
{
    struct stream stream;
    struct stream *stored;
    CUresult result = find_stream(handle, &stream, &stored);

    if (!flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *flags = stream.flags;
    return result;
}

CUresult stream_get_priority(CUstream handle, int *priority)
{
    struct stream stream;
    struct stream *stored;
    CUresult result = find_stream(handle, &stream, &stored);

    if (!priority)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *priority = stream.priority;
    return result;
}

CUresult stream_get_id(CUstream handle, unsigned long long *id)
{
    struct stream stream;
    struct stream *stored;
    CUresult result = find_stream(handle, &stream, &stored);

    if (!id)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        *id = stream.id;
    return result;
}

CUresult stream_get_context(CUstream handle, CUcontext *out)
{
    struct context *context;
    CUresult result;

    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    result = context_of_stream(handle, &context);
    if (result == CUDA_SUCCESS)
        *out = context->handle;
    return result;
}

/* A stream of a green context has two: that one and the primary context. */
CUresult stream_get_context_v2(CUstream handle, CUcontext *out, CUgreenCtx *green)
{
    struct context *context;
    CUresult result;

    if (!out || !green)
        return CUDA_ERROR_INVALID_VALUE;
    result = context_of_stream(handle, &context);
    if (result != CUDA_SUCCESS)
        return result;
    *out = context->green ? driver.devices[context->ordinal].primary.handle : context->handle;
    *green = context->green ? (CUgreenCtx)context->handle : NULL;
    return CUDA_SUCCESS;
}

CUresult stream_get_device(CUstream handle, CUdevice *device)
{
    struct context *context;
    CUresult result;

    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    result = context_of_stream(handle, &context);
    if (result == CUDA_SUCCESS)
        *device = device_handle(context->ordinal);
    return result;
}
