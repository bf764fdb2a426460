/* Each thread's stack of current contexts. */
#include "driver.h"
#include "implementations.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SHALLOW = 8 };

/*
 * A few entries lie in the thread's own storage, which goes with the thread. Only a thread that goes
 * deeper has memory to give back, so only then is one of the process's few thread keys taken.
 */
static __thread struct {
    uint32_t depth;
    uint32_t capacity; /* 0: the shallow entries are in use */
    struct context **deep;
    struct context *shallow[SHALLOW];
} stack;

static pthread_key_t deep_entries;
static bool deep_entries_ready;

static struct context **entries(void)
{
    return stack.capacity ? stack.deep : stack.shallow;
}

/* At the end of a thread. Another key's destructor may still call the driver: it finds an empty stack. */
static void forget_stack(void *deep)
{
    free(deep);
    memset(&stack, 0, sizeof stack);
}

static bool make_room(void)
{
    uint32_t capacity = stack.capacity ? 2 * stack.capacity : 4 * SHALLOW;
    struct context **deep;

    if (stack.depth < (stack.capacity ? stack.capacity : SHALLOW))
        return true;
    if (!deep_entries_ready)
        deep_entries_ready = pthread_key_create(&deep_entries, forget_stack) == 0;
    deep = realloc(stack.deep, capacity * sizeof(struct context *));
    if (!deep)
        return false;
    if (!stack.capacity)
        memcpy(deep, stack.shallow, sizeof stack.shallow);
    stack.deep = deep;
    stack.capacity = capacity;
    if (deep_entries_ready)
        pthread_setspecific(deep_entries, deep);
    return true;
}

struct context *current_context(void)
{
    return stack.depth ? entries()[stack.depth - 1] : NULL;
}

uint32_t current_stack(struct context *const **out)
{
    *out = entries();
    return stack.depth;
}

CUresult push_context(struct context *context)
{
    if (!make_room())
        return CUDA_ERROR_OUT_OF_MEMORY;
    entries()[stack.depth++] = context;
    return CUDA_SUCCESS;
}

bool pop_context(void)
{
    if (!stack.depth)
        return false;
    stack.depth--;
    return true;
}

CUresult replace_current_context(struct context *context)
{
    if (!stack.depth)
        return push_context(context);
    entries()[stack.depth - 1] = context;
    return CUDA_SUCCESS;
}

int ordinal_of_current_context(void)
{
    const struct context *context = current_context();

    return context ? context->ordinal : NO_DEVICE;
}

/* A destroyed ordinary context cannot become current; a dead primary context can. */
static bool is_acceptable(const struct context *context)
{
    return context && (context->primary || context->alive);
}

CUresult context_push_current(CUcontext handle)
{
    struct context *context = find_context(handle);

    return is_acceptable(context) ? push_context(context) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult context_pop_current(CUcontext *handle)
{
    struct context *context = current_context();

    if (!pop_context())
        return CUDA_ERROR_INVALID_CONTEXT;
    if (handle)
        *handle = context->handle;
    return CUDA_SUCCESS;
}

CUresult context_set_current(CUcontext handle)
{
    struct context *context = find_context(handle);

    if (!handle) {
        pop_context();
        return CUDA_SUCCESS;
    }
    return is_acceptable(context) ? replace_current_context(context) : CUDA_ERROR_INVALID_CONTEXT;
}

/* A dead context is handed out like a living one. */
CUresult context_get_current(CUcontext *handle)
{
    const struct context *context = current_context();

    if (!handle)
        return CUDA_ERROR_INVALID_VALUE;
    *handle = context ? context->handle : NULL;
    return CUDA_SUCCESS;
}
