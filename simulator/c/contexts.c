/* How handles of all kinds of contexts are found. */
#include "contexts.h"
#include "handles.h"

static struct handle_table contexts;

/* Only before cuInit has succeeded, when nobody has a handle. */
void forget_context_handles(void)
{
    contexts.count = 0;
}

bool reserve_context_handle(struct context *context)
{
    void *handle;

    if (!reserve_handle(&contexts, context, &handle))
        return false;
    context->handle = handle;
    return true;
}

struct context *find_context(CUcontext handle)
{
    return find_handle(&contexts, handle);
}

int ordinal_of_context(CUcontext handle)
{
    const struct context *context = find_context(handle);

    return context ? context->ordinal : NO_DEVICE;
}

/* One way at most to wait, and no bit that no header knows. */
bool context_flags_are_valid(unsigned int flags)
{
    unsigned int scheduling = flags & 0x07;

    return flags <= 0xff && (scheduling & (scheduling - 1)) == 0;
}
