/*
 * The state of the simulated driver, and what its parts offer one another. Everything here is
 * touched under the driver's lock only, except where it says otherwise.
 */
#ifndef SIMULATED_H
#define SIMULATED_H

#include "cuda_types.h"
#include "driver_lock.h"
#include "entry_point_indices.h"
#include "references.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))
#define SIMULATED_CUDA_CONTROL EXPORTED
#include "simulated_cuda.h"

/* Of this library alone: no call and no variable goes through the table of the dynamic loader. */
#pragma GCC visibility push(hidden)

enum { MAXIMUM_DEVICES = 4096, NO_DEVICE = -1, STORED_TEXT = 4096 };

enum needs { ALWAYS, INITIALIZED };

/* Every implementation's prototype, from the one table. */
#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    CUresult implementation parameters;
#include "entry_points.h"

enum knob {
#define KNOB(name, initial) KNOB_##name,
#include "knobs.h"
    KNOB_COUNT
};

extern uint64_t knobs[KNOB_COUNT];
#define knob(name) (knobs[KNOB_##name])
#define answer_of_knob(name) ((CUresult)knob(name))

/* The answer of a knob whose 0 stands for what the real driver does in some children: it dies of a bad
   address (SIGSEGV). */
CUresult answer_or_die(CUresult answer);

const char *knob_name(unsigned int index);
bool set_knob(const char *name, uint64_t value);
void reset_knobs(void);

/* contexts ------------------------------------------------------------------------------------ */

/* A primary context lives in its device for good; an ordinary one for good too, so that a handle
   never means anything else later. */
struct context {
    CUcontext handle;
    int ordinal;
    bool primary;
    bool green;
    bool alive;
    uint32_t generation; /* activations so far; a stream remembers the one that it belongs to */
    uint32_t api_version;
    unsigned int flags;
    uint64_t id;
    size_t bytes; /* of device memory that it takes while it lives */
    struct allocation *allocations;
};

struct device {
    uint32_t physical; /* index on the machine, before CUDA_VISIBLE_DEVICES */
    struct references references;
    uint32_t green_contexts; /* while there is one, no release deactivates the primary context */
    unsigned int flags;      /* for the next activation */
    uint32_t runtime_retain; /* generation that the simulated CUDA runtime holds, 0 for none */
    int file;                /* side channel, -1 when not open */
    size_t context_bytes;
    size_t ordinary_bytes;
    size_t pool_bytes;
    struct context primary;
};

enum process_state { NEVER_INITIALIZED, IS_INITIALIZED, IS_DEINITIALIZED };

struct driver {
    enum process_state state;
    bool init_failed;      /* here or in an ancestor; process_page says whether here */
    bool init_refused;     /* cuInit refused flags, before any succeeded */
    bool child_of_refused; /* of a process where that was so */
    bool stub;             /* the linker's stub library: every call answers 34 */
    bool shares_machine;   /* with other processes, through a file */
    bool may_be_locked;    /* by others on the machine, or by itself */
    bool watched;          /* a fault is armed, a hook waits, calls are recorded or logged, or it may be locked */
    int version;
    uint32_t device_count; /* those that the process sees; 0 before cuInit */
    uint64_t next_context_id;
    uint64_t underflows;
    uint64_t would_be_crashes;
    uint64_t total_calls;
    uint64_t calls[ENTRY_POINT_COUNT];
    char complaint[512];              /* what is wrong with the environment, empty for nothing */
    bool visible_devices_given;       /* else CUDA_VISIBLE_DEVICES is read at cuInit */
    char *visible_devices;            /* NULL: all */
    char device_files[STORED_TEXT];   /* directory, empty for none */
    uint32_t physical_devices; /* those on the machine */
    struct device devices[MAXIMUM_DEVICES];
};

extern struct driver driver;

/* The ready-made answer for a call that this state refuses, CUDA_SUCCESS for one that may go on. */
CUresult refusal_by_state(enum needs needs);
void deinitialize_process(void);
void reset_driver(void);

struct device *find_device(CUdevice handle);
struct device *device_at(int ordinal);
CUdevice device_handle(int ordinal);
int ordinal_of_device(CUdevice handle);
CUresult choose_visible_devices(const char *list, uint32_t physical_devices, uint32_t *chosen, uint32_t *count);
void describe_uuid(uint32_t physical, unsigned char bytes[16]);
int pci_bus_of(uint32_t physical);
int pci_domain_of(uint32_t physical);
size_t free_bytes_of(const struct device *device);
void open_control_file(void);
void open_device_file(struct device *device);
void close_device_files(void);

CUresult activate_primary_context(struct device *device);
void deactivate_primary_context(struct device *device);
CUresult retain_for(struct device *device, uint32_t owner);
CUresult release_for(struct device *device, uint32_t owner, CUresult answer_at_zero);
CUresult hold_for_green_context(struct device *device);
CUresult let_go_of_green_context(struct device *device);
bool context_flags_are_valid(unsigned int flags);
void forget_context_handles(void);
bool reserve_context_handle(struct context *context);
struct context *find_context(CUcontext handle);

struct context *current_context(void);
uint32_t current_stack(struct context *const **entries);
CUresult push_context(struct context *context);
CUresult replace_current_context(struct context *context);
bool pop_context(void);
CUresult living_current_context(struct context **context, CUresult answer_on_dead);

/* Called only for watched calls. */
int ordinal_of_context(CUcontext context);
int ordinal_of_current_context(void);
int ordinal_of_stream(CUstream stream);
int ordinal_of_event(CUevent event);

void free_allocations(struct context *context);
/* Where this range of the current context's device memory lies, if it is within one allocation. */
CUresult find_device_memory(CUdeviceptr address, size_t bytes, char **start);

/* handles ------------------------------------------------------------------------------------- */

/* Handles are addresses in reserved, unreadable memory: unique in the process, never reused, found
   by arithmetic, and a client that dereferences one crashes as it deserves. */
struct handle_table {
    char *base;
    void **objects;
    uint32_t count;
    uint32_t capacity;
};

bool reserve_handle(struct handle_table *table, void *object, void **handle);
void *find_handle(const struct handle_table *table, const void *handle);


CUresult answer_for_object(const struct context *context, uint32_t generation);
/* Two handles that CUDA gives to everybody: the default stream as all know it, and each thread's own. */
#define LEGACY_STREAM ((CUstream)0x1)
#define PER_THREAD_STREAM ((CUstream)0x2)

/* What a handle means to a function for the default stream of each thread. */
static inline CUstream per_thread(CUstream stream)
{
    return stream ? stream : PER_THREAD_STREAM;
}

CUresult context_of_stream(CUstream handle, struct context **context);

/* watched calls: faults and the log ----------------------------------------------------------- */

struct call {
    enum entry_point entry;
    int device;
    bool fault_fired;
    bool refused;
    CUresult fault_code;
    struct hook *before; /* hooks that are due, taken out of the list of those that wait */
    struct hook *after;
};

int refused_call(enum entry_point entry);
const char *entry_point_name(uint32_t entry);
int entry_point_index(const char *name);
void update_watched(void);

bool inject_fault(const char *function, uint64_t nth, int device, uint32_t code,
                  bool done_then_reported, bool from_then_on);
void apply_faults(struct call *call);
void clear_faults(void);
bool faults_are_armed(void);
uint64_t faults_fired(void);

bool add_hook(const char *function, uint64_t nth, bool after, simulated_cuda_hook run,
              simulated_cuda_hook discard, void *data);
void take_due_hooks(struct call *call);
void run_hooks(struct hook *due);
void clear_hooks(void);
bool hooks_wait(void);
uint64_t waiting_hooks(void);

void record_call(const struct call *call, CUresult result);
bool log_calls_to_file(const char *path);
void stop_logging(void);
void set_recording(bool on);
bool calls_are_watched(void);
uint64_t copy_recorded_calls(struct simulated_cuda_call *records, uint64_t capacity);
void clear_recorded_calls(void);

/* references of others ------------------------------------------------------------------------ */

bool hold_at_start(int ordinal, uint32_t references);
bool references_of_others_are_possible(int *missing);
void apply_references_of_others(void);
void forget_references_of_others(void);
CUresult retain_for_others(uint32_t owner, int ordinal, uint32_t references);
CUresult call_of_the_runtime(int ordinal);

/* the machine and its processes --------------------------------------------------------------- */

bool join_machine(const char *path);
void forget_machine(void);
bool register_process(void);
void unregister_process(void);
void enter_call(void);
void leave_call(void);
uint32_t living_contexts(void);
uint64_t bytes_of_others(uint32_t physical);

/* start --------------------------------------------------------------------------------------- */

void read_environment(void);
void complain_of_environment(const char *format, ...) __attribute__((format(printf, 1, 2)));
int baked_version(void);
void resolve_entry_points(void);

#pragma GCC visibility pop

#endif
