/* The record of a wrapped call: its begin with the stack, its end with what it left. */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>

static bool makes_context(const struct call *call)
{
    return call->purpose == RETAINS || call->purpose == CREATES;
}

/* By what is known before the driver is called: a call that does not return has its stack, too. */
static bool wants_stack(const struct call *call)
{
    if (arena_settings()->stacks != TRACE_STACKS_FIRST)
        return arena_settings()->stacks == TRACE_STACKS_ALL;
    if (call->flags & TRACE_DENIED)
        return true;
    switch (call->purpose) {
    case INITIALIZES:
        return !is_initialized();
    case RETAINS:
        return !is_context_alive(call->slot) || !has_ever_held(call->slot, call->module);
    case CREATES:
        return true;
    case RELEASES:
        return is_context_alive(call->slot) && !holds_reference(call->slot, call->module);
    case RESETS:
        return is_context_alive(call->slot);
    default:
        return false;
    }
}

static void begin_record(struct call *call, struct caller caller, uintptr_t bias)
{
    bool stack = has_arena() && wants_stack(call);
    uint64_t stack_place = stack ? note_stack(caller, call->module) : 0, place = 0;
    struct trace_call *record = reserve_record(TRACE_CALL, sizeof *record, &place);

    call->record = record;
    if (!record)
        return;
    if (has_exited())
        call->flags |= TRACE_AFTER_EXIT;
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

bool begin_call(struct call *call, struct caller caller)
{
    int error = errno;
    uintptr_t bias = 0;

    enter_process();
    call->slot = call->device == -1 ? -1 : device_slot(call->device);
    /* The call may be the last instruction of its function, and of its file. */
    call->module = module_of(caller.address - 1, &bias);
    if (makes_context(call) && is_denied(call->slot))
        call->flags |= TRACE_DENIED;
    begin_record(call, caller, bias);
    errno = error;
    return call->flags & TRACE_DENIED;
}

CUresult end_call(struct call *call, CUresult result)
{
    struct trace_call *record = call->record;
    int error = errno;

    if (call->flags & TRACE_CREATED) {
        note_creator();
        if (has_visible_changed())
            call->flags |= TRACE_VISIBLE_CHANGED;
    }
    if (record) {
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
    return result;
}
