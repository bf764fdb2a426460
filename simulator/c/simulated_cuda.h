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

#define SIMULATED_CUDA_CONTROL __attribute__((visibility("default")))

struct simulated_cuda_device {
    uint32_t references;
    uint32_t active;
    uint32_t generation; /* activations so far */
    uint32_t flags;
    uint64_t context_bytes;
    uint64_t ordinary_bytes;
};

struct simulated_cuda_stack_entry {
    uint32_t device;
    bool primary;
    bool alive;
};

struct simulated_cuda_counters {
    uint64_t total_calls;
    uint64_t faults_fired;
    uint64_t underflows; /* releases that found no reference left */
};

/* A release by an owner that had no reference, which took another's. */
struct simulated_cuda_taken {
    int32_t device;
    uint32_t by;
    uint32_t from;
};

/* A process of the machine, as its controllers find it. */
struct simulated_cuda_target {
    uint32_t state; /* as cuCheckpointProcessGetState gives it */
    uint32_t contexts;
    uint32_t calls; /* under way */
    uint32_t lock_milliseconds; /* the limit that the last lock received */
    uint64_t bytes;             /* on all devices */
};

/* The version of this interface. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_version(void);

/* Before cuInit: forgets the environment and every earlier setting. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_forget_settings(void);
/*
 * NAME=VALUE, as in the environment, CUDA_VISIBLE_DEVICES included. All but SIMULATED_CUDA_KNOBS, _FAULT and _LOG are for the time before
 * cuInit. Returns NULL, or what is wrong with it, which stays until the next call.
 */
SIMULATED_CUDA_CONTROL const char *simulated_cuda_set(const char *setting);

/*
 * Processes of the machine, by their ids. These return a CUresult: 304 for no such process, 3 for one that
 * has not initialised CUDA. GPUs are numbered as on the machine, before CUDA_VISIBLE_DEVICES.
 */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_target(int32_t pid, struct simulated_cuda_target *out);
/* What it has on one GPU, or had there when it was checkpointed. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_target_bytes(int32_t pid, uint32_t gpu,
                                                            uint64_t *bytes);
/* BUSY: work is under way that does not end, so no lock succeeds. STATE: any number below 65536. */
enum { SIMULATED_CUDA_BUSY, SIMULATED_CUDA_MANAGED_MEMORY, SIMULATED_CUDA_STATE };
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_change_target(int32_t pid, uint32_t trait,
                                                             uint32_t value);
/* Free bytes of a GPU, after what all processes have there. */
SIMULATED_CUDA_CONTROL uint64_t simulated_cuda_machine_free(uint32_t gpu);
/* The 16 bytes of a GPU's unique id. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_machine_uuid(uint32_t gpu, uint8_t *bytes);

/* As another library in the process would: returns cuInit's CUresult. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_initialize(void);
/* As process exit does: every later call returns 4. */
SIMULATED_CUDA_CONTROL void simulated_cuda_deinitialize(void);
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_is_initialized(void);

/*
 * Owners: 0 is the client, which every driver call counts for unless its thread acts as another; 1 is another
 * library, 2 are green contexts, and the numbers below 32 are for further libraries. A release takes a reference
 * of its own owner, else the oldest of all.
 */
/* The calling thread's driver calls count for this owner from now on. Returns the one before. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_act_as(uint32_t owner);
/* These two return a CUresult; the first initialises the driver. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_retain_by(uint32_t owner, int32_t device,
                                                                 uint32_t references);
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_release_by(uint32_t owner, int32_t device);
/* Returns how many references were taken from others (the first 16384 are kept), copies the oldest. */
SIMULATED_CUDA_CONTROL uint64_t simulated_cuda_taken(struct simulated_cuda_taken *out,
                                                     uint64_t capacity);

/* A green context of another library holds the primary context with a reference of its own.
 * These two return a CUresult. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_add_green_context(int32_t device);
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_remove_green_context(int32_t device);

/* The CUdevice of an ordinal, as cuDeviceGet gives it; of any number, before cuInit as well. */
SIMULATED_CUDA_CONTROL int32_t simulated_cuda_device_handle(int32_t device);
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_device(int32_t device,
                                                      struct simulated_cuda_device *out);

SIMULATED_CUDA_CONTROL void simulated_cuda_clear_faults(void);

/*
 * Runs a function just before (0) or after (1) the nth call of that function from now on acts, on the
 * thread that makes the call. No lock is held, so it may call the driver; what it calls is an ordinary
 * call. It must return. A hook that is cleared before it ran is discarded instead.
 */
typedef void (*simulated_cuda_hook)(void *data);
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_add_hook(const char *function, uint64_t nth,
                                                        uint32_t after, simulated_cuda_hook run,
                                                        simulated_cuda_hook discard, void *data);
SIMULATED_CUDA_CONTROL void simulated_cuda_clear_hooks(void);

/* Calls of the function of that place in entry_points.h so far, whatever they returned. */
SIMULATED_CUDA_CONTROL uint64_t simulated_cuda_count(uint32_t index);
SIMULATED_CUDA_CONTROL void simulated_cuda_counters(struct simulated_cuda_counters *out);

/* The calling thread's stack from the bottom. Returns its depth, copies at most that many. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_stack(struct simulated_cuda_stack_entry *out,
                                                     uint32_t capacity);
/* Makes a primary context current without retaining it; -1 takes the current one away. A CUresult. */
SIMULATED_CUDA_CONTROL uint32_t simulated_cuda_set_current(int32_t device);

#endif
