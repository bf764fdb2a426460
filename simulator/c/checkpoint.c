/*
 * Suspending and resuming the processes of one machine, as measured: codes and states for every step, in
 * and out of order. The caller needs no cuInit, and other calls go on while one of these waits.
 */
#include "machine.h"

#include <string.h>
#include <unistd.h>

enum {
    ARGUMENT_BYTES = 64,
    MICROSECONDS = 1000,       /* in a millisecond */
    DRAIN_MICROSECONDS = 2000, /* how long a lock keeps new calls out, waiting for those under way */
    MIGRATING_VERSION = 13000 /* since then a restore takes a map */
};

static bool are_zero(const void *arguments, size_t from)
{
    const unsigned char *bytes = arguments;

    while (from < ARGUMENT_BYTES)
        if (bytes[from++])
            return false;
    return true;
}

static uint64_t now_in_microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static CUresult get_state(struct target *target, void *state)
{
    *(CUprocessState *)state = (CUprocessState)target->state;
    return CUDA_SUCCESS;
}

CUresult checkpoint_get_state(int pid, CUprocessState *state)
{
    return state ? with_target(pid, get_state, state) : CUDA_ERROR_INVALID_VALUE;
}

/* Keeps new calls out, for a moment, until those under way are done. Whoever is killed meanwhile has
   locked the target. */
static CUresult try_to_lock(struct target *target, void *milliseconds)
{
    target->lock_milliseconds = *(const uint32_t *)milliseconds;
    if (target->state != RUNNING)
        return CUDA_ERROR_ILLEGAL_STATE;
    if (target->busy)
        return CUDA_ERROR_NOT_READY;
    target->state = LOCKED;
    for (int waited = 0; waited < DRAIN_MICROSECONDS; waited += 50) {
        if (!atomic_load(&target->calls))
            return CUDA_SUCCESS;
        nap(50);
    }
    target->state = RUNNING;
    return CUDA_ERROR_NOT_READY;
}

static CUresult lock_within(int pid, uint32_t milliseconds)
{
    uint64_t limit = (uint64_t)milliseconds * MICROSECONDS;
    uint64_t began = now_in_microseconds();

    for (;;) {
        CUresult result = with_target(pid, try_to_lock, &milliseconds);

        if (result != CUDA_ERROR_NOT_READY
            || (limit && now_in_microseconds() - began > limit))
            return result;
        nap(500);
    }
}

static CUresult may_checkpoint(struct target *target, void *nothing)
{
    (void)nothing;
    if (target->state != LOCKED)
        return CUDA_ERROR_ILLEGAL_STATE;
    return target->managed_memory ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

static CUresult checkpoint(struct target *target, void *nothing)
{
    CUresult result = may_checkpoint(target, nothing);

    if (result != CUDA_SUCCESS)
        return result;
    for (uint32_t share = 0; share < target->share_count; share++)
        target->shares[share].checkpointed_on = target->shares[share].gpu;
    target->state = CHECKPOINTED;
    return CUDA_SUCCESS;
}

static CUresult unlock(struct target *target, void *nothing)
{
    (void)nothing;
    if (target->state != LOCKED)
        return CUDA_ERROR_ILLEGAL_STATE;
    target->state = RUNNING;
    return CUDA_SUCCESS;
}

/* Looks, takes its time, looks again: the target may have died, and another controller have been
   faster. */
static CUresult after_a_while(int pid, uint64_t milliseconds, target_action *look,
                              target_action *act, void *data)
{
    CUresult result = with_target(pid, look, data);

    if (result != CUDA_SUCCESS)
        return result;
    if (milliseconds)
        nap((long)milliseconds * MICROSECONDS);
    return with_target(pid, act, data);
}

/* A step on a process, maybe this one: its memory is published, and the driver's lock is free. */
#define WITHOUT_LOCK(step)    \
    do {                      \
        CUresult result_;     \
        publish_own_memory(); \
        unlock_driver();      \
        result_ = (step);     \
        lock_driver();        \
        return result_;       \
    } while (0)

CUresult checkpoint_lock(int pid, CUcheckpointLockArgs *arguments)
{
    uint32_t milliseconds = 0;

    if (arguments) {
        if (!are_zero(arguments, sizeof milliseconds))
            return CUDA_ERROR_INVALID_VALUE;
        memcpy(&milliseconds, arguments, sizeof milliseconds);
    }
    if (pid == getpid())
        driver.watched |= MAY_BE_LOCKED;
    WITHOUT_LOCK(lock_within(pid, milliseconds));
}

CUresult checkpoint_checkpoint(int pid, CUcheckpointCheckpointArgs *arguments)
{
    if (arguments && !are_zero(arguments, 0))
        return CUDA_ERROR_INVALID_VALUE;
    WITHOUT_LOCK(after_a_while(pid, knob(checkpoint_milliseconds), may_checkpoint, checkpoint, NULL));
}

CUresult checkpoint_restore(int pid, CUcheckpointRestoreArgs *arguments)
{
    enum { COUNT_AT = sizeof(void *), UNUSED_FROM = COUNT_AT + sizeof(uint32_t) };
    struct gpu_map map = { 0 };

    if (arguments) {
        size_t unused_from = driver.version < MIGRATING_VERSION ? 0 : UNUSED_FROM;

        if (!are_zero(arguments, unused_from))
            return CUDA_ERROR_INVALID_VALUE;
        memcpy(&map.ids, arguments, sizeof map.ids);
        memcpy(&map.count, (const char *)arguments + COUNT_AT, sizeof map.count);
        if (map.count && !map.ids)
            return CUDA_ERROR_INVALID_VALUE;
    }
    WITHOUT_LOCK(after_a_while(pid, knob(restore_milliseconds), may_restore, restore, &map));
}

CUresult checkpoint_unlock(int pid, CUcheckpointUnlockArgs *arguments)
{
    if (arguments && !are_zero(arguments, 0))
        return CUDA_ERROR_INVALID_VALUE;
    WITHOUT_LOCK(with_target(pid, unlock, NULL));
}
