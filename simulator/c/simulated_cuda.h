/*
 * The control calls of the simulated driver: how a test sets the scene and looks behind it. A library
 * that exports simulated_cuda_version is this simulator and no real driver.
 *
 * Any thread may call them, at any time. They are neither counted nor logged, and no fault hits them.
 * A function of type uint32_t returns 1 for done and 0 for impossible, unless it is said to return a
 * CUresult. Devices are ordinals, those after CUDA_VISIBLE_DEVICES, and never CUdevices.
 */
#ifndef SIMULATED_CUDA_H
#define SIMULATED_CUDA_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(default)

/* The version of this interface. */
uint32_t simulated_cuda_version(void);

/* Before cuInit: forgets the environment and every earlier setting. */
uint32_t simulated_cuda_forget_settings(void);
/*
 * NAME=VALUE, as in the environment, CUDA_VISIBLE_DEVICES included. All but SIMULATED_CUDA_KNOBS, _FAULT and
 * _LOG are for the time before cuInit. Returns NULL, or what is wrong with it, which stays until the next call.
 */
const char *simulated_cuda_set(const char *setting);

/* One number, of a device if it is about one. */
enum {
    SIMULATED_CUDA_REFERENCES,
    SIMULATED_CUDA_IS_ACTIVE,
    SIMULATED_CUDA_GENERATION, /* activations so far */
    SIMULATED_CUDA_FLAGS,
    SIMULATED_CUDA_HANDLE,     /* the CUdevice of any ordinal, before cuInit as well */
    SIMULATED_CUDA_FREE_BYTES, /* of a GPU of the machine, after what all processes have there */
    SIMULATED_CUDA_CALLS,      /* of the function of that place in entry_points.h, whatever they returned */
    SIMULATED_CUDA_TOTAL_CALLS,
    SIMULATED_CUDA_FAULTS_FIRED,
    SIMULATED_CUDA_UNDERFLOWS, /* releases that found no reference left */
    SIMULATED_CUDA_IS_INITIALIZED
};
/* What there is not, such as the references to a device that does not exist. */
#define SIMULATED_CUDA_NONE UINT64_MAX
uint64_t simulated_cuda_number(uint32_t which, uint32_t of);

/* As process exit does: every later call returns 4. */
void simulated_cuda_deinitialize(void);

/*
 * Owners: 0 is the client, which every driver call counts for unless its thread acts as another; 1 is another
 * library, 2 are green contexts, and the numbers below 32 are for further libraries. A release takes a reference
 * of its own owner, or else one of the first owner that has any.
 *
 * This retains a primary context that many times, after a cuInit by another library, or releases it once if the
 * number is negative. Green contexts are made and destroyed one at a time. Returns a CUresult.
 */
uint32_t simulated_cuda_change_references(uint32_t owner, int32_t device, int32_t change);
/* The calling thread's driver calls count for this owner from now on. Returns the one before. */
uint32_t simulated_cuda_act_as(uint32_t owner);

/* A release by an owner that had no reference, which took another's. */
struct simulated_cuda_taken {
    uint32_t device;
    uint32_t by;
    uint32_t from;
};
/* Returns how many references were taken from others (the first 16384 are kept), copies the oldest. */
uint64_t simulated_cuda_taken(struct simulated_cuda_taken *out, uint64_t capacity);

struct simulated_cuda_stack_entry {
    uint32_t device;
    bool primary;
    bool alive;
};
/* The calling thread's stack from the bottom. Returns its depth, copies at most that many. */
uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out, uint32_t capacity);
/* Makes a primary context current without retaining it; -1 takes the current one away. A CUresult. */
uint32_t simulated_cuda_set_current(int32_t device);

void simulated_cuda_clear_faults(void);

/*
 * Runs a function just before (0) or after (1) the nth call of that function from now on acts, on the
 * thread that makes the call. No lock is held, so it may call the driver; what it calls is an ordinary
 * call. It must return.
 */
typedef void (*simulated_cuda_hook)(void *data);
uint32_t simulated_cuda_add_hook(const char *function, uint64_t nth, uint32_t after,
                                 simulated_cuda_hook run, void *data);

/* A process of the machine, as its controllers find it. */
struct simulated_cuda_target {
    uint32_t state; /* as cuCheckpointProcessGetState gives it */
    uint32_t calls;             /* under way */
    uint32_t lock_milliseconds; /* the limit that the last lock received */
    uint64_t bytes;             /* on that GPU, or there when it was checkpointed */
};
/*
 * Processes of the machine, by their ids. These return a CUresult: 304 for no such process, 3 for one that
 * has not initialised CUDA. GPUs are numbered as on the machine, before CUDA_VISIBLE_DEVICES.
 */
uint32_t simulated_cuda_target(int32_t pid, uint32_t gpu, struct simulated_cuda_target *out);
/* BUSY: work is under way that does not end, so no lock succeeds. STATE: any number. */
enum { SIMULATED_CUDA_BUSY, SIMULATED_CUDA_MANAGED_MEMORY, SIMULATED_CUDA_STATE };
uint32_t simulated_cuda_change_target(int32_t pid, uint32_t trait, uint32_t value);
/* The 16 bytes of a GPU's unique id. */
uint32_t simulated_cuda_machine_uuid(uint32_t gpu, uint8_t *bytes);

#pragma GCC visibility pop

#endif
