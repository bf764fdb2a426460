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

/* By what is known before the driver is called: a call that does not come back has its stack, too. */
static bool wants_stack(const struct call *call)
{
    switch (arena_settings()->stack) {
    case TRACE_STACK_ALL:
        return true;
    case TRACE_STACK_FIRST:
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
        return is_context_alive(call->slot) && references_of(call->slot, call->module) <= 0;
    if (is_reset(call->function))
        return is_context_alive(call->slot);
    return makes_context(call->function);
}

static struct trace_frame frame_of(uintptr_t address)
{
    uintptr_t bias = 0;
    /* The call may be the last instruction of its function, and of its file. */
    uint32_t module = module_of(address - 1, &bias);

    return (struct trace_frame){ .address = module ? address - bias : address, .module = module };
}

static void begin_record(struct call *call, uint64_t arguments, uintptr_t caller)
{
    struct trace_frame frames[TRACE_MAXIMUM_NATIVE_FRAMES];
    uintptr_t addresses[TRACE_MAXIMUM_NATIVE_FRAMES];
    struct trace_call *record;
    bool stack;
    int count;

    frames[0] = frame_of(caller);
    call->module = frames[0].module;
    stack = wants_stack(call);
    count = stack ? native_stack(caller, addresses) : 0;
    for (int frame = 1; frame < count; frame++)
        frames[frame] = frame_of(addresses[frame]);
    count = count ? count : 1;
    record = reserve_record(TRACE_CALL, sizeof *record + (size_t)count * sizeof *frames);
    call->record = record;
    if (!record)
        return;
    if (stack)
        call->flags |= TRACE_HAS_STACK;
    if (has_exited())
        call->flags |= TRACE_AFTER_EXIT;
    record->function = (uint16_t)call->function;
    record->frame_count = (uint16_t)count;
    record->device = call->device;
    record->arguments = arguments;
    record->flags = call->flags;
    memcpy(record + 1, frames, (size_t)count * sizeof *frames);
    publish_record(record, TRACE_WRITTEN);
    if (stack && !note_python_frames(place_of_record(record)))
        call->flags |= TRACE_PYTHON_FAILED;
}

bool begin_call(struct call *call, enum trace_function function, CUdevice device,
                uint64_t arguments, const void *caller)
{
    int error = errno;

    enter_process();
    memset(call, 0, sizeof *call);
    call->function = function;
    call->device = device;
    call->slot = device == TRACE_NO_DEVICE ? -1 : device_slot(device);
    if (makes_context(function)) {
        if (arena_settings()->deny && whether_meant(call->slot) == TRACE_MEANT_NO)
            call->flags |= TRACE_DENIED;
        if (!is_context_alive(call->slot))
            look_for_bypass();
    }
    begin_record(call, arguments, (uintptr_t)caller);
    errno = error;
    return call->flags & TRACE_DENIED;
}

void end_call(struct call *call, CUresult answer)
{
    struct trace_call *record = call->record;
    struct device_counts counts = counts_of(call->slot);
    int error = errno;

    if (record) {
        record->device = call->device;
        record->context = (uint64_t)(uintptr_t)call->context;
        record->answer = answer;
        record->flags = call->flags;
        record->taken_from = call->taken_from;
        record->library_references = references_of(call->slot, call->module);
        record->device_references = counts.references;
        record->device_green = counts.green;
        record->device_ordinary = counts.ordinary;
        record->ended = monotonic_ns();
        publish_record(record, TRACE_ENDED);
    }
    errno = error;
}
