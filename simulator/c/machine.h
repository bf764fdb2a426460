/*
 * One simulated machine of several processes: who uses CUDA on it, in which state each is, and what
 * each has on every device. It is a file that every process of the machine maps, or memory of this
 * process and its children where no file is named.
 *
 * Any process may be killed at any step. So the lock is a robust one, a step of a target takes effect with the
 * store of its state, and what a device has left is never written down but summed up.
 */
#pragma once

#include "driver.h"

/* The numbers are CUDA's, cuCheckpointProcessGetState gives them. */
enum target_state { RUNNING = 0, LOCKED = 1, CHECKPOINTED = 2, FAILED = 3 };

/* What one process has on one GPU of the machine. */
struct share {
    uint64_t bytes;
    uint32_t gpu;             /* where they are: another one after a restore with a map */
    uint32_t checkpointed_on; /* counts instead while the process is checkpointed */
};

struct target {
    _Atomic int32_t pid; /* 0: nobody; stored last */
    uint64_t started;    /* in the kernel's ticks: a process id is given out again */
    uint64_t pid_namespace; /* the id is that of the process itself, in this namespace */
    _Atomic uint32_t state;
    _Atomic uint32_t calls; /* under way */
    uint32_t lost; /* a restore without room has destroyed the process */
    uint32_t busy;
    uint32_t managed_memory;
    uint32_t lock_milliseconds; /* the limit that the last lock received */
    uint32_t share_count;
    struct share shares[MAXIMUM_DEVICES];
};

/*
 * Does something with the machine locked. Returns what the action returns, or 304 for no such process, 3 for
 * one that has not initialised CUDA, and 2 where there is no machine for lack of memory.
 */
typedef CUresult target_action(struct target *target, void *data);
CUresult with_target(int pid, target_action *action, void *data);
/* What a process has on a GPU, or had there when it was checkpointed. */
uint64_t bytes_on(const struct target *target, uint32_t physical);
/* With the machine locked: bytes that are free on a GPU, not counting what one target has there. */
uint64_t free_on_machine(uint32_t physical, const struct target *without);

/* Pairs of ids, two in a row. */
struct gpu_map {
    const unsigned char *ids;
    uint32_t count;
};

/* The machine's file, and this process's place. */
bool join_machine(const char *path);
void forget_machine(void);
bool register_process(void);
void unregister_process(void);
void enter_call(void);
void leave_call(void);
/* Bytes that are free on a GPU, after what all processes have there. The machine is not locked. */
uint64_t free_for_all(uint32_t physical);

/* restore.c: a target and a gpu_map */
target_action may_restore;
target_action restore;

void publish_own_memory(void);
void nap(long microseconds);
