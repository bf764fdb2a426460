/*
 * What the witness exports in the driver's place. Each function begins the call's record, calls the
 * driver with what it was given, counts what the result says, ends the record, and returns the result.
 * No lock is held meanwhile.
 */
#define _GNU_SOURCE
#include "witness.h"

#define CALLER                                                                                     \
    (struct caller){ (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)),        \
                     (uintptr_t)__builtin_dwarf_cfa() }
#define REAL(function, ...) ((CUresult(*)(__VA_ARGS__))real_function(TRACE_##function))

EXPORTED CUresult cuInit(unsigned int flags)
{
    struct call call;
    CUresult result;

    begin_call(&call, TRACE_cuInit, -1, flags, CALLER);
    result = REAL(cuInit, unsigned int)(flags);
    if (result == CUDA_SUCCESS)
        note_successful_init();
    end_call(&call, result);
    return result;
}

/* primary contexts */

/* What there is no room to count. */
static struct trace_change counted(struct call *call, struct trace_change change)
{
    if (change.holding == TRACE_NOTHING)
        call->flags |= TRACE_TABLE_FULL;
    return change;
}

static void count_retain(struct call *call, const void *context)
{
    call->context = context;
    call->reference = counted(call, add_holding(call->slot, call->module, TRACE_REFERENCE));
    if (begin_context(call->slot))
        call->flags |= TRACE_CREATED;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    struct call call;
    CUresult result = CUDA_ERROR_NOT_PERMITTED;

    if (!begin_call(&call, TRACE_cuDevicePrimaryCtxRetain, device, 0, CALLER))
        result = REAL(cuDevicePrimaryCtxRetain, CUcontext *, CUdevice)(context, device);
    if (result == CUDA_SUCCESS)
        count_retain(&call, *context);
    end_call(&call, result);
    return result;
}

/* As measured, a release that returns 800 has taken the reference, and the context stays. */
static CUresult count_release(struct call *call, CUresult result)
{
    bool stays = result == CUDA_ERROR_NOT_PERMITTED;
    bool others = !holds_reference(call->slot, call->module);

    if (result == CUDA_SUCCESS || stays) {
        enum taking taking =
            take_reference(call->slot, call->module, TRACE_REFERENCE, stays, &call->reference);

        if (taking == ENDED_CONTEXT)
            call->flags |= TRACE_ENDED_CONTEXT;
        if (others && taking != TOOK_NOTHING)
            call->flags |= TRACE_TOOK_FROM_OTHERS;
    }
    end_call(call, result);
    return result;
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
static CUresult count_reset(struct call *call, CUresult result, bool takes_one)
{
    if (result == CUDA_SUCCESS) {
        if (reset_context(call->slot))
            call->flags |= TRACE_ENDED_CONTEXT;
        if (takes_one)
            take_reference(call->slot, call->module, TRACE_REFERENCE, true, &call->reference);
    }
    end_call(call, result);
    return result;
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

static CUresult count_create(struct call *call, CUresult result, CUcontext *context)
{
    if (result == CUDA_SUCCESS) {
        struct context_entry entry = { .device = call->device, .module = call->module };

        call->context = *context;
        call->flags |= TRACE_CREATED;
        if (remember_context(*context, entry))
            call->other =
                counted(call, add_holding(call->slot, call->module, TRACE_ORDINARY_CONTEXT));
        else
            call->flags |= TRACE_TABLE_FULL;
    }
    end_call(call, result);
    return result;
}

#define CREATE(function, parameters, types, arguments)                                             \
    EXPORTED CUresult function parameters                                                          \
    {                                                                                              \
        struct call call;                                                                          \
        CUresult result = CUDA_ERROR_NOT_PERMITTED;                                                \
                                                                                                   \
        if (!begin_call(&call, TRACE_##function, device, flags, CALLER))                           \
            result = ((CUresult(*) types)real_function(TRACE_##function))arguments;                \
        return count_create(&call, result, context);                                               \
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
                              struct context_entry *entry, struct caller caller)
{
    bool known;

    enter_process(); /* what a parent made is not known here */
    known = forget_context(context, entry);
    begin_call(call, function, known ? entry->device : -1, 0, caller);
    call->context = context;
    return known;
}

static CUresult count_destroy(struct call *call, CUresult result, bool known,
                              struct context_entry entry)
{
    if (result == CUDA_SUCCESS) {
        call->flags |= TRACE_ENDED_CONTEXT;
        if (known)
            call->other = end_holding(call->slot, entry.module, TRACE_ORDINARY_CONTEXT);
    } else if (known) {
        remember_context(call->context, entry);
    }
    end_call(call, result);
    return result;
}

#define DESTROY(function)                                                                          \
    EXPORTED CUresult function(CUcontext context)                                                  \
    {                                                                                              \
        struct context_entry entry = { .device = -1 };                                \
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
    CUresult result = CUDA_ERROR_NOT_PERMITTED;

    if (!begin_call(&call, TRACE_cuGreenCtxCreate, device, flags, CALLER))
        result = REAL(cuGreenCtxCreate, CUgreenCtx *, CUdevResourceDesc, CUdevice,
                      unsigned int)(green, description, device, flags);
    if (result == CUDA_SUCCESS) {
        struct context_entry entry = { .device = device, .module = call.module };

        call.context = *green;
        call.flags |= TRACE_CREATED;
        call.reference =
            counted(&call, add_holding(call.slot, call.module, TRACE_GREEN_REFERENCE));
        begin_context(call.slot);
        if (remember_context(*green, entry))
            call.other = counted(&call, add_holding(call.slot, call.module, TRACE_GREEN_CONTEXT));
        else
            call.flags |= TRACE_TABLE_FULL;
    }
    end_call(&call, result);
    return result;
}

EXPORTED CUresult cuGreenCtxDestroy(CUgreenCtx green)
{
    struct context_entry entry = { .device = -1 };
    struct call call;
    bool known = begin_destruction(&call, TRACE_cuGreenCtxDestroy, green, &entry, CALLER);
    CUresult result = REAL(cuGreenCtxDestroy, CUgreenCtx)(green);

    if (result == CUDA_SUCCESS) {
        call.flags |= TRACE_ENDED_CONTEXT;
        if (known) {
            call.other = end_holding(call.slot, entry.module, TRACE_GREEN_CONTEXT);
            take_reference(call.slot, entry.module, TRACE_GREEN_REFERENCE, false, &call.reference);
        }
    } else if (known) {
        remember_context(green, entry);
    }
    end_call(&call, result);
    return result;
}
