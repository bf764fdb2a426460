/* Events: points in time on a stream. Recorded is completed. */
#include "driver.h"
#include "handles.h"
#include "implementations.h"
#include "streams.h"

#include <stdlib.h>

enum { BLOCKING_SYNC = 1, DISABLE_TIMING = 2, INTERPROCESS = 4 };

struct event {
    bool destroyed;
    bool recorded;
    unsigned int flags;
    uint32_t generation;
    struct context *context;
    struct timespec when;
};

static struct handle_table events;

static CUresult find_event(CUevent handle, struct event **event)
{
    *event = find_handle(&events, handle);
    if (!*event || (*event)->destroyed)
        return CUDA_ERROR_INVALID_HANDLE;
    return refusal_of_object((*event)->context, (*event)->generation);
}

int ordinal_of_event(CUevent handle)
{
    const struct event *event = find_handle(&events, handle);

    return event ? event->context->ordinal : NO_DEVICE;
}

/* An event for other processes cannot keep time. */
static bool event_flags_are_valid(unsigned int flags)
{
    return flags <= (BLOCKING_SYNC | DISABLE_TIMING | INTERPROCESS)
           && (!(flags & INTERPROCESS) || (flags & DISABLE_TIMING));
}

CUresult event_create(CUevent *handle, unsigned int flags)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    struct event *event;
    void *reserved;

    if (!handle || !event_flags_are_valid(flags))
        return CUDA_ERROR_INVALID_VALUE;
    if (result != CUDA_SUCCESS)
        return result;
    event = calloc(1, sizeof *event);
    if (!event || !reserve_handle(&events, event, &reserved)) {
        free(event);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *event = (struct event){ .flags = flags, .generation = context->generation, .context = context };
    *handle = reserved;
    return CUDA_SUCCESS;
}

/* An event and the stream that it is recorded on belong to one context. */
CUresult event_record(CUevent handle, CUstream stream)
{
    struct event *event;
    struct context *context;
    CUresult result = find_event(handle, &event);

    if (result == CUDA_SUCCESS)
        result = context_of_stream(stream, &context);
    if (result != CUDA_SUCCESS)
        return result;
    if (context != event->context)
        return CUDA_ERROR_INVALID_HANDLE;
    clock_gettime(CLOCK_MONOTONIC, &event->when);
    event->recorded = true;
    return CUDA_SUCCESS;
}

CUresult event_record_with_flags(CUevent handle, CUstream stream, unsigned int flags)
{
    return flags > 1 ? CUDA_ERROR_INVALID_VALUE : event_record(handle, stream);
}

CUresult event_synchronize(CUevent handle)
{
    struct event *event;

    return find_event(handle, &event);
}

CUresult stream_wait_event(CUstream handle, CUevent event, unsigned int flags)
{
    struct context *context;
    CUresult result = context_of_stream(handle, &context);

    if (result != CUDA_SUCCESS)
        return result;
    return flags > 1 ? CUDA_ERROR_INVALID_VALUE : event_synchronize(event);
}

CUresult event_elapsed_time(float *milliseconds, CUevent start_handle, CUevent end_handle)
{
    struct event *start;
    struct event *end;
    CUresult result;

    if (!milliseconds)
        return CUDA_ERROR_INVALID_VALUE;
    result = find_event(start_handle, &start);
    if (result == CUDA_SUCCESS)
        result = find_event(end_handle, &end);
    if (result != CUDA_SUCCESS)
        return result;
    if (!start->recorded || !end->recorded || ((start->flags | end->flags) & DISABLE_TIMING))
        return CUDA_ERROR_INVALID_HANDLE;
    *milliseconds = (float)(end->when.tv_sec - start->when.tv_sec) * 1e3f
                    + (float)(end->when.tv_nsec - start->when.tv_nsec) / 1e6f;
    return CUDA_SUCCESS;
}

CUresult event_destroy(CUevent handle)
{
    struct event *event;
    CUresult result = find_event(handle, &event);

    if (result == CUDA_SUCCESS)
        event->destroyed = true;
    return result;
}
