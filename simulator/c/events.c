/* Events: points in the work of a stream, which are reached as soon as they are recorded. */
#include "driver.h"
#include "handles.h"
#include "implementations.h"
#include "streams.h"

#include <stdlib.h>

enum { BLOCKING_SYNC = 1, DISABLE_TIMING = 2, INTERPROCESS = 4 };

struct event {
    bool destroyed;
    uint32_t generation;
    struct context *context;
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
    *event = (struct event){ .generation = context->generation, .context = context };
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
    return context == event->context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
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

CUresult event_destroy(CUevent handle)
{
    struct event *event;
    CUresult result = find_event(handle, &event);

    if (result == CUDA_SUCCESS)
        event->destroyed = true;
    return result;
}
