/*
 * The exported functions. Each is the same few lines around its implementation: take the lock, count,
 * ask whether a fault or the state of the process refuses the call, do it, log it.
 */
#include "devices.h"
#include "machine.h"
#include "outputs.h"
#include "watched_calls.h"

#include <string.h>

static inline CUresult refusal(enum needs needs)
{
    if (needs != ALWAYS && process_page->initialized)
        return CUDA_SUCCESS;
    return refusal_by_state(needs);
}

#define CALL(needs, device_, call_of_implementation)                                     \
    do {                                                                                 \
        result = refusal(needs);                                                         \
        if (result == CUDA_SUCCESS && (needs) == A_DEVICE && !device_at(device_))        \
            result = CUDA_ERROR_INVALID_DEVICE;                                          \
        if (result == CUDA_SUCCESS)                                                      \
            result = call_of_implementation;                                             \
    } while (0)

/*
 * A locked process's calls wait, and a lock waits for the calls under way, so they are counted: where this
 * process may be locked at all.
 */
static bool enter(enum needs needs)
{
    bool counted = needs != ALWAYS && (driver.watched & MAY_BE_LOCKED) && process_page->target;

    if (counted) {
        unlock_driver();
        enter_call();
        lock_driver();
    }
    return counted;
}

/*
 * The expression for the device is evaluated for watched calls only: for many functions it is a
 * search. A refused call never reaches its implementation, so its outputs stay as they were, but
 * where a fault refused it and the knob fills them with rubbish.
 */
#define BODY(entry_, needs, device_, call_of_implementation, spoil_outputs_)             \
    {                                                                                    \
        CUresult result;                                                                 \
                                                                                         \
        lock_driver();                                                                   \
        driver.calls[entry_]++;                                                          \
        driver.total_calls++;                                                            \
        if (__builtin_expect(!driver.watched, 1)) {                                      \
            CALL(needs, device_, call_of_implementation);                                \
        } else {                                                                         \
            struct call call = { .entry = (entry_), .device = (device_) };               \
            bool counted = enter(needs);                                                 \
                                                                                         \
            apply_faults(&call);                                                         \
            take_due_hooks(&call);                                                       \
            run_hooks(call.before);                                                      \
            result = call.fault_code;                                                    \
            if (!call.refused) {                                                         \
                CALL(needs, device_, call_of_implementation);                            \
                if (call.fault_fired)                                                    \
                    result = call.fault_code;                                            \
            } else if (knob(spoil_outputs)) {                                            \
                spoil_outputs_                                                           \
            }                                                                            \
            log_call(&call, result);                                                     \
            run_hooks(call.after);                                                       \
            if (counted)                                                                 \
                leave_call();                                                            \
        }                                                                                \
        unlock_driver();                                                                 \
        return result;                                                                   \
    }

#define REFUSED(symbol, since) /* in refused_functions.c */
#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    __attribute__((visibility("default"))) CUresult CUDAAPI symbol parameters            \
    BODY(ENTRY_##symbol, needs, device, implementation arguments, SPOIL_OUTPUTS arguments)
#include "entry_points.h"

int refused_call(enum entry_point entry)
BODY(entry, INITIALIZED, NO_DEVICE, CUDA_ERROR_NOT_SUPPORTED, )
