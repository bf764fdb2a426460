/*
 * Streams, which are names for an order of work, and events, which are points in it. There is no work here, so
 * whatever a client waits for has already happened.
 */
#include "driver.h"
#include "handles.h"

#include <stdlib.h>

/* A stream or an event. */
struct object {
    bool destroyed;
    uint32_t generation;
    struct context *context;
};

static struct handle_table streams;
static struct handle_table events;

static CUresult create(struct handle_table *table, void **handle)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    struct object *object;

    if (result != CUDA_SUCCESS)
        return result;
    object = calloc(1, sizeof *object);
    if (!object || !reserve_handle(table, object, handle)) {
        free(object);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *object = (struct object){ .generation = context->generation, .context = context };
    return CUDA_SUCCESS;
}

/* As measured for streams of a context that was destroyed. Other drivers have crashed. */
static CUresult find(const struct handle_table *table, const void *handle, struct object **found)
{
    struct object *object = find_handle(table, handle);

    *found = object;
    if (!object || object->destroyed)
        return CUDA_ERROR_INVALID_HANDLE;
    return object->context->alive && object->context->generation == object->generation
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult destroy(const struct handle_table *table, const void *handle)
{
    struct object *object;
    CUresult result = find(table, handle, &object);

    if (result == CUDA_SUCCESS)
        object->destroyed = true;
    return result;
}

static int ordinal_of(const struct handle_table *table, const void *handle)
{
    const struct object *object = find_handle(table, handle);

    return object ? object->context->ordinal : NO_DEVICE;
}

/* CUDA gives two handles to everybody: the default stream of all threads, which is also 0, and each thread's own.
   Both are the current context's. */
static bool is_default_stream(CUstream handle)
{
    enum { OF_ALL_THREADS = 1, OF_EACH_THREAD = 2 };

    return !handle || (uintptr_t)handle == OF_ALL_THREADS || (uintptr_t)handle == OF_EACH_THREAD;
}

int ordinal_of_stream(CUstream handle)
{
    return is_default_stream(handle) ? ordinal_of_current_context() : ordinal_of(&streams, handle);
}

int ordinal_of_event(CUevent handle)
{
    return ordinal_of(&events, handle);
}

static CUresult context_of_stream(CUstream handle, struct context **context)
{
    struct object *stream;
    CUresult result;

    if (is_default_stream(handle))
        return living_current_context(context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    result = find(&streams, handle, &stream);
    if (result == CUDA_SUCCESS)
        *context = stream->context;
    return result;
}

/* Without work no stream comes before another, so the priority is not kept. */
CUresult stream_create(CUstream *handle, unsigned int flags, int priority)
{
    void *created = (void *)UINTPTR_MAX; /* as measured where the current context is destroyed */
    CUresult result;

    (void)priority;
    if (!handle || flags > 1)
        return CUDA_ERROR_INVALID_VALUE;
    result = create(&streams, &created);
    if (result == CUDA_SUCCESS || result == CUDA_ERROR_CONTEXT_IS_DESTROYED)
        *handle = created;
    return result;
}

CUresult stream_destroy(CUstream handle)
{
    return destroy(&streams, handle);
}

CUresult stream_synchronize(CUstream handle)
{
    struct context *context;

    return context_of_stream(handle, &context);
}

CUresult stream_wait_event(CUstream handle, CUevent event, unsigned int flags)
{
    CUresult result = stream_synchronize(handle);

    if (result != CUDA_SUCCESS)
        return result;
    return flags > 1 ? CUDA_ERROR_INVALID_VALUE : event_synchronize(event);
}

/* An event for other processes cannot keep time. */
CUresult event_create(CUevent *handle, unsigned int flags)
{
    enum { BLOCKING_SYNC = 1, DISABLE_TIMING = 2, INTERPROCESS = 4 };
    void *created;
    CUresult result;

    if (!handle || flags > (BLOCKING_SYNC | DISABLE_TIMING | INTERPROCESS)
        || (flags & (INTERPROCESS | DISABLE_TIMING)) == INTERPROCESS)
        return CUDA_ERROR_INVALID_VALUE;
    result = create(&events, &created);
    if (result == CUDA_SUCCESS)
        *handle = created;
    return result;
}

/* An event and the stream that it is recorded on belong to one context. */
CUresult event_record(CUevent handle, CUstream stream)
{
    struct object *event;
    struct context *context;
    CUresult result = find(&events, handle, &event);

    if (result == CUDA_SUCCESS)
        result = context_of_stream(stream, &context);
    if (result != CUDA_SUCCESS)
        return result;
    return context == event->context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult event_synchronize(CUevent handle)
{
    struct object *event;

    return find(&events, handle, &event);
}

CUresult event_destroy(CUevent handle)
{
    return destroy(&events, handle);
}
