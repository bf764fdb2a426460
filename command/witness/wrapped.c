/*
 * What the witness exports in the driver's place. Each function begins the call's record, calls the
 * driver with what it was given, counts what the answer says, ends the record, and hands the answer on.
 * No lock is held meanwhile.
 */
#define _GNU_SOURCE
#include "witness.h"

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))
#define REAL(function, ...) ((CUresult(*)(__VA_ARGS__))real_function(TRACE_##function))

EXPORTED CUresult cuInit(unsigned int flags)
{
    struct call call;
    CUresult answer;

    begin_call(&call, TRACE_cuInit, TRACE_NO_DEVICE, flags, CALLER);
    answer = REAL(cuInit, unsigned int)(flags);
    if (answer == CUDA_SUCCESS)
        note_successful_init();
    end_call(&call, answer);
    return answer;
}

/* primary contexts */

static void count_retain(struct call *call, const void *context)
{
    bool counted;

    call->context = context;
    if (add_reference(call->slot, call->module, &counted))
        call->flags |= TRACE_CREATED;
    if (!counted)
        call->flags |= TRACE_TABLE_FULL;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    struct call call;
    CUresult answer = CUDA_ERROR_NOT_PERMITTED;

    if (!begin_call(&call, TRACE_cuDevicePrimaryCtxRetain, device, 0, CALLER))
        answer = REAL(cuDevicePrimaryCtxRetain, CUcontext *, CUdevice)(context, device);
    if (answer == CUDA_SUCCESS)
        count_retain(&call, *context);
    end_call(&call, answer);
    return answer;
}

/* As measured, a release that answers 800 has taken the reference, and the context stays. */
static CUresult count_release(struct call *call, CUresult answer)
{
    bool stays = answer == CUDA_ERROR_NOT_PERMITTED;
    bool others = references_of(call->slot, call->module) <= 0;

    if (answer == CUDA_SUCCESS || stays) {
        enum taking taking =
            take_reference(call->slot, call->module, stays, &call->taken_from);

        if (taking == ENDED_CONTEXT)
            call->flags |= TRACE_ENDED_CONTEXT;
        if (others && taking != TOOK_NOTHING)
            call->flags |= TRACE_TOOK_FROM_OTHERS;
    }
    end_call(call, answer);
    return answer;
}

EXPORTED CUresult cuDevicePrimaryCtxRelease(CUdevice device)
{
    struct call call;

    begin_call(&call, TRACE_cuDevicePrimaryCtxRelease, device, 0, CALLER);
    return count_release(&call, REAL(cuDevicePrimaryCtxRelease, CUdevice)(device));
}

EXPORTED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    struct call call;

    begin_call(&call, TRACE_cuDevicePrimaryCtxRelease_v2, device, 0, CALLER);
    return count_release(&call, REAL(cuDevicePrimaryCtxRelease_v2, CUdevice)(device));
}

/* As measured, only the function of the old ABI takes a reference. */
static CUresult count_reset(struct call *call, CUresult answer, bool takes_one)
{
    if (answer == CUDA_SUCCESS) {
        if (reset_references(call->slot))
            call->flags |= TRACE_ENDED_CONTEXT;
        if (takes_one)
            take_reference(call->slot, call->module, true, &call->taken_from);
    }
    end_call(call, answer);
    return answer;
}

EXPORTED CUresult cuDevicePrimaryCtxReset(CUdevice device)
{
    struct call call;

    begin_call(&call, TRACE_cuDevicePrimaryCtxReset, device, 0, CALLER);
    return count_reset(&call, REAL(cuDevicePrimaryCtxReset, CUdevice)(device), true);
}

EXPORTED CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    struct call call;

    begin_call(&call, TRACE_cuDevicePrimaryCtxReset_v2, device, 0, CALLER);
    return count_reset(&call, REAL(cuDevicePrimaryCtxReset_v2, CUdevice)(device), false);
}

/* ordinary contexts */

static CUresult count_create(struct call *call, CUresult answer, CUcontext *context)
{
    if (answer == CUDA_SUCCESS) {
        struct context_entry entry = { .device = call->device, .module = call->module };

        call->context = *context;
        call->flags |= TRACE_CREATED;
        if (remember_context(*context, entry))
            add_ordinary(call->slot, call->module, 1);
        else
            call->flags |= TRACE_TABLE_FULL;
    }
    end_call(call, answer);
    return answer;
}

#define CREATE(function, parameters, types, arguments)                                             \
    EXPORTED CUresult function parameters                                                          \
    {                                                                                              \
        struct call call;                                                                          \
        CUresult answer = CUDA_ERROR_NOT_PERMITTED;                                                \
                                                                                                   \
        if (!begin_call(&call, TRACE_##function, device, flags, CALLER))                           \
            answer = ((CUresult(*) types)real_function(TRACE_##function))arguments;                \
        return count_create(&call, answer, context);                                               \
    }

CREATE(cuCtxCreate, (CUcontext *context, unsigned int flags, CUdevice device),
       (CUcontext *, unsigned int, CUdevice), (context, flags, device))
CREATE(cuCtxCreate_v2, (CUcontext *context, unsigned int flags, CUdevice device),
       (CUcontext *, unsigned int, CUdevice), (context, flags, device))
CREATE(cuCtxCreate_v3,
       (CUcontext *context, void *affinity, int affinities, unsigned int flags, CUdevice device),
       (CUcontext *, void *, int, unsigned int, CUdevice),
       (context, affinity, affinities, flags, device))
CREATE(cuCtxCreate_v4,
       (CUcontext *context, void *parameters, unsigned int flags, CUdevice device),
       (CUcontext *, void *, unsigned int, CUdevice), (context, parameters, flags, device))

/* What is destroyed is forgotten first, for the driver may give its handle to another at once. */
static bool begin_destruction(struct call *call, enum trace_function function, const void *context,
                              struct context_entry *entry, const void *caller)
{
    bool known;

    enter_process(); /* what a parent made is not known here */
    known = forget_context(context, entry);
    begin_call(call, function, known ? entry->device : TRACE_NO_DEVICE, 0, caller);
    call->context = context;
    return known;
}

static CUresult count_destroy(struct call *call, CUresult answer, bool known,
                              struct context_entry entry)
{
    if (answer == CUDA_SUCCESS) {
        call->flags |= TRACE_ENDED_CONTEXT;
        if (known)
            add_ordinary(call->slot, entry.module, -1);
    } else if (known) {
        remember_context(call->context, entry);
    }
    end_call(call, answer);
    return answer;
}

#define DESTROY(function)                                                                          \
    EXPORTED CUresult function(CUcontext context)                                                  \
    {                                                                                              \
        struct context_entry entry = { .device = TRACE_NO_DEVICE };                                \
        struct call call;                                                                          \
        bool known = begin_destruction(&call, TRACE_##function, context, &entry, CALLER);          \
                                                                                                   \
        return count_destroy(&call, REAL(function, CUcontext)(context), known, entry);             \
    }

DESTROY(cuCtxDestroy)
DESTROY(cuCtxDestroy_v2)

/* green contexts */

EXPORTED CUresult cuGreenCtxCreate(CUgreenCtx *green, CUdevResourceDesc description,
                                   CUdevice device, unsigned int flags)
{
    struct call call;
    CUresult answer = CUDA_ERROR_NOT_PERMITTED;

    if (!begin_call(&call, TRACE_cuGreenCtxCreate, device, flags, CALLER))
        answer = REAL(cuGreenCtxCreate, CUgreenCtx *, CUdevResourceDesc, CUdevice,
                      unsigned int)(green, description, device, flags);
    if (answer == CUDA_SUCCESS) {
        struct context_entry entry = { .device = device, .module = call.module };
        bool counted;

        call.context = *green;
        call.flags |= TRACE_CREATED;
        add_green(call.slot, call.module, &counted);
        if (!remember_context(*green, entry) || !counted)
            call.flags |= TRACE_TABLE_FULL;
    }
    end_call(&call, answer);
    return answer;
}

EXPORTED CUresult cuGreenCtxDestroy(CUgreenCtx green)
{
    struct context_entry entry = { .device = TRACE_NO_DEVICE };
    struct call call;
    bool known = begin_destruction(&call, TRACE_cuGreenCtxDestroy, green, &entry, CALLER);
    CUresult answer = REAL(cuGreenCtxDestroy, CUgreenCtx)(green);

    if (answer == CUDA_SUCCESS) {
        call.flags |= TRACE_ENDED_CONTEXT;
        if (known)
            take_green(call.slot, entry.module, &call.taken_from);
    } else if (known) {
        remember_context(green, entry);
    }
    end_call(&call, answer);
    return answer;
}
