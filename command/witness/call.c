/* The record of a wrapped call: its begin with the stack, its end with what it left. */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <string.h>

static bool makes_context(enum trace_function function)
{
    switch (function) {
    case TRACE_cuDevicePrimaryCtxRetain:
    case TRACE_cuCtxCreate:
    case TRACE_cuCtxCreate_v2:
    case TRACE_cuCtxCreate_v3:
    case TRACE_cuCtxCreate_v4:
    case TRACE_cuGreenCtxCreate:
        return true;
    default:
        return false;
    }
}

static bool is_release(enum trace_function function)
{
    return function == TRACE_cuDevicePrimaryCtxRelease
        || function == TRACE_cuDevicePrimaryCtxRelease_v2;
}

static bool is_reset(enum trace_function function)
{
    return function == TRACE_cuDevicePrimaryCtxReset
        || function == TRACE_cuDevicePrimaryCtxReset_v2;
}

/* By what is known before the driver is called: a call that does not return has its stack, too. */
static bool wants_stack(const struct call *call)
{
    switch (arena_settings()->stacks) {
    case TRACE_STACKS_ALL:
        return true;
    case TRACE_STACKS_FIRST:
        break;
    default:
        return false;
    }
    if (call->flags & TRACE_DENIED)
        return true;
    if (call->function == TRACE_cuInit)
        return !is_initialized();
    if (call->function == TRACE_cuDevicePrimaryCtxRetain)
        return !is_context_alive(call->slot) || !has_ever_held(call->slot, call->module);
    if (is_release(call->function))
        return is_context_alive(call->slot) && !holds_reference(call->slot, call->module);
    if (is_reset(call->function))
        return is_context_alive(call->slot);
    return makes_context(call->function);
}

static void begin_record(struct call *call, uint64_t arguments, struct caller caller, uintptr_t bias)
{
    bool stack = has_arena() && wants_stack(call);
    uint64_t stack_place = stack ? note_stack(caller) : 0, place = 0;
    struct trace_call *record = reserve_record(TRACE_CALL, sizeof *record, &place);

    call->record = record;
    if (!record)
        return;
    if (stack)
        call->flags |= TRACE_HAS_STACK;
    if (has_exited())
        call->flags |= TRACE_AFTER_EXIT;
    record->arguments = arguments;
    record->caller = call->module ? caller.address - bias : caller.address;
    record->stack = stack_place;
    record->module = call->module;
    record->function = call->function;
    record->device = call->device;
    record->flags = call->flags;
    publish_record(record, TRACE_WRITTEN);
    if (stack && !note_python_lines(place))
        call->flags |= TRACE_PYTHON_FAILED;
}

bool begin_call(struct call *call, enum trace_function function, CUdevice device,
                uint64_t arguments, struct caller caller)
{
    int error = errno;
    uintptr_t bias = 0;

    enter_process();
    memset(call, 0, sizeof *call);
    call->function = function;
    call->device = device;
    call->slot = device == -1 ? -1 : device_slot(device);
    /* The call may be the last instruction of its function, and of its file. */
    call->module = module_of(caller.address - 1, &bias);
    if (makes_context(function) && is_denied(call->slot))
        call->flags |= TRACE_DENIED;
    begin_record(call, arguments, caller, bias);
    errno = error;
    return call->flags & TRACE_DENIED;
}

void end_call(struct call *call, CUresult result)
{
    struct trace_call *record = call->record;
    int error = errno;

    if (call->flags & TRACE_CREATED) {
        note_creator();
        if (has_visible_changed())
            call->flags |= TRACE_VISIBLE_CHANGED;
    }
    if (record) {
        record->device = call->device;
        record->flags = call->flags;
        record->result = result;
        record->references = (int32_t)references_of(call->slot);
        record->context = (uint64_t)(uintptr_t)call->context;
        record->reference = call->reference;
        record->other = call->other;
        record->ended = monotonic_ns();
        publish_record(record, TRACE_ENDED);
    }
    errno = error;
}
