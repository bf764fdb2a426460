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
#define REAL(function, types) ((CUresult(*) types)real_function(TRACE_##function))

EXPORTED CUresult cuInit(unsigned int flags)
{
    struct call call = { .function = TRACE_cuInit, .purpose = INITIALIZES, .device = -1 };
    CUresult result;

    begin_call(&call, CALLER);
    result = REAL(cuInit, (unsigned int))(flags);
    if (result == CUDA_SUCCESS)
        note_successful_init();
    return end_call(&call, result);
}

/* What there is no room to count. */
static struct trace_change counted(struct call *call, struct trace_change change)
{
    if (change.holding == TRACE_NOTHING)
        call->flags |= TRACE_TABLE_FULL;
    return change;
}

static void count_retain(struct call *call)
{
    call->reference = counted(call, add_holding(call->slot, call->module, TRACE_REFERENCE));
    if (begin_context(call->slot))
        call->flags |= TRACE_CREATED;
}

static void count_create(struct call *call, enum trace_holding holding)
{
    struct context_entry entry = { .device = call->device, .module = call->module };

    call->flags |= TRACE_CREATED;
    if (remember_context(call->context, entry))
        call->other = counted(call, add_holding(call->slot, call->module, holding));
    else
        call->flags |= TRACE_TABLE_FULL;
}

static void count_ordinary(struct call *call)
{
    count_create(call, TRACE_ORDINARY_CONTEXT);
}

/* It holds a reference to the primary context. */
static void count_green(struct call *call)
{
    call->reference = counted(call, add_holding(call->slot, call->module, TRACE_GREEN_REFERENCE));
    begin_context(call->slot);
    count_create(call, TRACE_GREEN_CONTEXT);
}

#define CREATE(name, reason, count, parameters, types, arguments)                                  \
    EXPORTED CUresult name parameters                                                              \
    {                                                                                              \
        struct call call = { .function = TRACE_##name, .purpose = reason, .device = device };      \
        CUresult result = CUDA_ERROR_NOT_PERMITTED;                                                \
                                                                                                   \
        if (!begin_call(&call, CALLER))                                                            \
            result = REAL(name, types) arguments;                                                  \
        if (result == CUDA_SUCCESS) {                                                              \
            call.context = *context;                                                               \
            count(&call);                                                                          \
        }                                                                                          \
        return end_call(&call, result);                                                            \
    }
#define CREATE_ORDINARY(name)                                                                      \
    CREATE(name, CREATES, count_ordinary,                                                          \
           (CUcontext *context, unsigned int flags, CUdevice device),                              \
           (CUcontext *, unsigned int, CUdevice), (context, flags, device))
#define CREATE_FOR_VDPAU(name)                                                                     \
    CREATE(name, CREATES, count_ordinary,                                                          \
           (CUcontext *context, unsigned int flags, CUdevice device, uint32_t vdpau, void *get),   \
           (CUcontext *, unsigned int, CUdevice, uint32_t, void *),                                \
           (context, flags, device, vdpau, get))

CREATE(cuDevicePrimaryCtxRetain, RETAINS, count_retain, (CUcontext *context, CUdevice device),
       (CUcontext *, CUdevice), (context, device))
CREATE_ORDINARY(cuCtxCreate)
CREATE_ORDINARY(cuCtxCreate_v2)
CREATE_ORDINARY(cuGLCtxCreate)
CREATE_ORDINARY(cuGLCtxCreate_v2)
CREATE_FOR_VDPAU(cuVDPAUCtxCreate)
CREATE_FOR_VDPAU(cuVDPAUCtxCreate_v2)
CREATE(cuCtxCreate_v3, CREATES, count_ordinary,
       (CUcontext *context, void *affinity, int affinities, unsigned int flags, CUdevice device),
       (CUcontext *, void *, int, unsigned int, CUdevice),
       (context, affinity, affinities, flags, device))
CREATE(cuCtxCreate_v4, CREATES, count_ordinary,
       (CUcontext *context, void *parameters, unsigned int flags, CUdevice device),
       (CUcontext *, void *, unsigned int, CUdevice), (context, parameters, flags, device))
CREATE(cuGreenCtxCreate, CREATES, count_green,
       (CUgreenCtx *context, CUdevResourceDesc description, CUdevice device, unsigned int flags),
       (CUgreenCtx *, CUdevResourceDesc, CUdevice, unsigned int),
       (context, description, device, flags))

/* As measured, a release that returns 800 has taken the reference, and the context stays. */
static CUresult end_release(struct call *call, CUresult result)
{
    bool stays = result == CUDA_ERROR_NOT_PERMITTED;

    if ((result == CUDA_SUCCESS || stays)
        && take_reference(call->slot, call->module, TRACE_REFERENCE, stays, &call->reference))
        call->flags |= TRACE_ENDED_CONTEXT;
    return end_call(call, result);
}

/* As measured, only the function of the old ABI takes a reference. */
static CUresult end_reset(struct call *call, CUresult result)
{
    if (result == CUDA_SUCCESS) {
        if (reset_context(call->slot))
            call->flags |= TRACE_ENDED_CONTEXT;
        if (call->function == TRACE_cuDevicePrimaryCtxReset)
            take_reference(call->slot, call->module, TRACE_REFERENCE, true, &call->reference);
    }
    return end_call(call, result);
}

#define ON_DEVICE(name, reason, end)                                                               \
    EXPORTED CUresult name(CUdevice device)                                                        \
    {                                                                                              \
        struct call call = { .function = TRACE_##name, .purpose = reason, .device = device };      \
                                                                                                   \
        begin_call(&call, CALLER);                                                                 \
        return end(&call, REAL(name, (CUdevice))(device));                                         \
    }

ON_DEVICE(cuDevicePrimaryCtxRelease, RELEASES, end_release)
ON_DEVICE(cuDevicePrimaryCtxRelease_v2, RELEASES, end_release)
ON_DEVICE(cuDevicePrimaryCtxReset, RESETS, end_reset)
ON_DEVICE(cuDevicePrimaryCtxReset_v2, RESETS, end_reset)

static CUresult end_destroy(struct call *call, CUresult result, struct context_entry entry)
{
    bool is_known = entry.device != -1, green = call->function == TRACE_cuGreenCtxDestroy;

    if (result != CUDA_SUCCESS) {
        if (is_known)
            remember_context(call->context, entry);
        return end_call(call, result);
    }
    call->flags |= TRACE_ENDED_CONTEXT;
    if (is_known)
        call->other = end_holding(call->slot, entry.module,
                                  green ? TRACE_GREEN_CONTEXT : TRACE_ORDINARY_CONTEXT);
    if (is_known && green)
        take_reference(call->slot, entry.module, TRACE_GREEN_REFERENCE, false, &call->reference);
    return end_call(call, result);
}

/*
 * What is destroyed is forgotten first, for the driver may give its handle to another at once. What a
 * parent process made is not known here.
 */
#define DESTROY(name)                                                                              \
    EXPORTED CUresult name(CUcontext context)                                                      \
    {                                                                                              \
        struct call call = { .function = TRACE_##name, .purpose = DESTROYS, .context = context };  \
        struct context_entry entry;                                                                \
                                                                                                   \
        enter_process();                                                                           \
        entry = forget_context(context);                                                           \
        call.device = entry.device;                                                                \
        begin_call(&call, CALLER);                                                                 \
        return end_destroy(&call, REAL(name, (CUcontext))(context), entry);                        \
    }

DESTROY(cuCtxDestroy)
DESTROY(cuCtxDestroy_v2)
DESTROY(cuCtxDetach)
DESTROY(cuGreenCtxDestroy)

/*
 * The driver decides what a name and a version mean; if it finds a function that is wrapped, the program
 * gets the witness's. These calls are not recorded.
 */
#define GET_ADDRESS(name, parameters, types, arguments)                                            \
    EXPORTED CUresult name parameters                                                              \
    {                                                                                              \
        CUresult result = REAL(name, types) arguments;                                             \
                                                                                                   \
        if (result == CUDA_SUCCESS && address)                                                     \
            *address = wrapped_in_place_of(*address);                                              \
        return result;                                                                             \
    }

GET_ADDRESS(cuGetProcAddress, (const char *symbol, void **address, int version, uint64_t flags),
            (const char *, void **, int, uint64_t), (symbol, address, version, flags))
GET_ADDRESS(cuGetProcAddress_v2,
            (const char *symbol, void **address, int version, uint64_t flags, int *status),
            (const char *, void **, int, uint64_t, int *), (symbol, address, version, flags, status))
