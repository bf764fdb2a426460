/* Each thread's stack of current contexts. */
#include "driver.h"

enum { MAXIMUM_DEPTH = 256 };

static __thread struct {
    uint32_t depth;
    struct context *entries[MAXIMUM_DEPTH];
} stack;

struct context *current_context(void)
{
    return stack.depth ? stack.entries[stack.depth - 1] : NULL;
}

uint32_t current_stack(struct context *const **entries)
{
    *entries = stack.entries;
    return stack.depth;
}

CUresult push_context(struct context *context)
{
    if (stack.depth == MAXIMUM_DEPTH)
        return CUDA_ERROR_OUT_OF_MEMORY;
    stack.entries[stack.depth++] = context;
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
    stack.entries[stack.depth - 1] = context;
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
