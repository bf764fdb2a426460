/* The state of the simulated driver. Everything here is touched under the driver's lock only. */
#pragma once

#include "contexts.h"
#include "cuda_types.h"
#include "driver_lock.h"
#include "entry_point_indices.h"
#include "knob.h"
#include "references.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { MAXIMUM_DEVICES = 4096 };

struct device {
    uint32_t physical; /* index on the machine, before CUDA_VISIBLE_DEVICES */
    struct references references;
    uint32_t green_contexts; /* while there is one, no release deactivates the primary context */
    unsigned int flags;      /* for the next activation */
    size_t used_bytes; /* by contexts, and by what was allocated in them */
    struct context primary;
};

enum process_state { NEVER_INITIALIZED, IS_INITIALIZED, IS_DEINITIALIZED };

/* A process may be locked by others on the machine, or by itself. */
enum { HAS_FAULTS = 1, HAS_HOOKS = 2, LOGS_CALLS = 4, MAY_BE_LOCKED = 8 };

struct driver {
    enum process_state state;
    bool init_failed;      /* here or in an ancestor; process_page says whether here */
    bool init_refused;     /* cuInit refused flags, before any succeeded */
    bool child_of_refused; /* of a process where that was so */
    bool shares_machine;   /* with other processes, through a file */
    unsigned int watched;  /* why calls are watched */
    int version;
    uint32_t device_count; /* those that the process sees; 0 before cuInit */
    uint64_t next_context_id;
    uint64_t underflows;
    uint64_t total_calls;
    uint64_t calls[ENTRY_POINT_COUNT];
    char complaint[512];            /* what is wrong with the environment, empty for nothing */
    char *visible_devices;          /* NULL: the process's CUDA_VISIBLE_DEVICES, at cuInit */
    uint32_t physical_devices;      /* those on the machine */
    uint32_t held_at_start[MAXIMUM_DEVICES]; /* references of another library, which cuInit takes */
    struct device devices[MAXIMUM_DEVICES];
};

extern struct driver driver;

/* What a call needs: nothing, so that it works before cuInit and after the end; cuInit; or a device, too. */
enum needs { ALWAYS, INITIALIZED, A_DEVICE };

/* process_state.c */
/* The result of a call that this state refuses, CUDA_SUCCESS for one that may go on. */
CUresult refusal_by_state(enum needs needs);
void deinitialize_process(void);
void reset_driver(void);

/* environment.c */
void read_environment(void);
/* NAME=VALUE, as in the environment. */
void read_setting(const char *setting);
void complain_of_environment(const char *format, ...) __attribute__((format(printf, 1, 2)));
void reset_knobs(void);

/* get_proc_address.c */
void resolve_entry_points(void);
CUresult get_proc_address(const char *name, void **address, int version, cuuint64_t flags,
                          CUdriverProcAddressQueryResult *status, int generation);

/* Every function in the model that an entry point calls, from the one table. */
#define REFUSED(...)
#define ENTRY_POINT_AS(...)
#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    CUresult implementation parameters;
#include "entry_points.h"
