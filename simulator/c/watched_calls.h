/* Watched calls: faults, hooks and the log. */
#pragma once

#include "driver.h"
#include "simulated_cuda.h"

struct call {
    enum entry_point entry;
    int device;
    bool fault_fired;
    bool refused;
    CUresult fault_code;
    struct hook *before; /* hooks that are due, taken out of the list of those that wait */
    struct hook *after;
};

/* get_proc_address.c */
const char *entry_point_name(enum entry_point entry);
int entry_point_index(const char *name);

/* faults.c */
struct fault {
    int entry;  /* ANY_FUNCTION */
    int device; /* ANY_DEVICE */
    uint32_t code;
    bool done_then_reported; /* the call acts before it returns the code */
    bool from_then_on;
    uint64_t nth; /* among the matching calls since the fault was armed, from 1 */
    uint64_t seen;
};

enum { ANY_FUNCTION = -1, ANY_DEVICE = -1 };
bool inject_fault(const struct fault *fault);
void apply_faults(struct call *call);
void clear_faults(void);
uint64_t faults_fired(void);

/* hooks.c */
bool add_hook(const char *function, uint64_t nth, bool after, simulated_cuda_hook run, void *data);
void take_due_hooks(struct call *call);
void run_hooks(struct hook *due);

/* call_log.c */
void log_call(const struct call *call, CUresult result);
bool log_calls_to_file(const char *path);
void stop_logging(void);
