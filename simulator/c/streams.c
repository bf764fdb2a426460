/* Streams: names for an order of work. There is no work here, so whatever a client waits for has already happened. */
#include "devices.h"
#include "handles.h"
#include "implementations.h"
#include "streams.h"

#include <stdlib.h>

struct stream {
    bool destroyed;
    uint32_t generation;
    struct context *context;
};

static struct handle_table streams;

/* As measured for streams. Other drivers have crashed. */
CUresult refusal_of_object(const struct context *context, uint32_t generation)
{
    return context->alive && context->generation == generation ? CUDA_SUCCESS
                                                               : CUDA_ERROR_INVALID_CONTEXT;
}

/* The default streams of all threads together and of each thread are the current context's. */
static bool is_default_stream(CUstream handle)
{
    return !handle || handle == LEGACY_STREAM || handle == PER_THREAD_STREAM;
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
    const struct stream *stream;

    if (is_default_stream(handle))
        return living_current_context(context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    stream = find_handle(&streams, handle);
    if (!stream || stream->destroyed)
        return CUDA_ERROR_INVALID_HANDLE;
    *context = stream->context;
    return refusal_of_object(stream->context, stream->generation);
}

/* Without work no stream comes before another, so the priority is not kept. */
CUresult stream_create_with_priority(CUstream *handle, unsigned int flags, int priority)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    struct stream *stream;
    void *reserved;

    (void)priority;
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
    *stream = (struct stream){ .generation = context->generation, .context = context };
    *handle = reserved;
    return CUDA_SUCCESS;
}

CUresult stream_create(CUstream *handle, unsigned int flags)
{
    return stream_create_with_priority(handle, flags, 0);
}

CUresult stream_destroy(CUstream handle)
{
    struct stream *stream = find_handle(&streams, handle);
    struct context *context;
    CUresult result;

    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    result = context_of_stream(handle, &context);
    if (result == CUDA_SUCCESS)
        stream->destroyed = true;
    return result;
}

CUresult stream_synchronize(CUstream handle)
{
    struct context *context;

    return context_of_stream(handle, &context);
}
