/* What the witness's files know of each other. */
#ifndef CUDA_CONTEXTS_WITNESS_H
#define CUDA_CONTEXTS_WITNESS_H

#include "events.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The driver API's types, as far as the wrapped functions need them. No cuda.h is needed. */
typedef int CUresult;
typedef int CUdevice;
typedef void *CUcontext;
typedef void *CUgreenCtx;
typedef void *CUdevResourceDesc;
typedef struct {
    char bytes[16];
} CUuuid;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_PERMITTED = 800,
};

#define EXPORTED __attribute__((visibility("default")))

/* arena.c */
void open_arena(const char *path);
bool has_arena(void);
const struct trace_arena *arena_settings(void); /* what there is without an arena: nothing denied */
/* NULL if there is no arena or no room. Nothing of a record is cleared: it is 0 already. */
void *reserve_record(enum trace_kind kind, size_t length, uint64_t *place);
void publish_record(void *record, enum trace_state state);
uint32_t next_module_id(void);
uint32_t next_process_number(void);
uint64_t monotonic_ns(void);

/* process.c */
void begin_process(void); /* once, before anything else */
void notice_fork(void);   /* writes no record */
void enter_process(void); /* before anything else in a call: both, and the process's record */
uint32_t process_number(void);
void note_successful_init(void);
bool is_initialized(void);

/* Whether CUDA_VISIBLE_DEVICES was changed since the driver read it. */
bool has_visible_changed(void);
bool has_exited(void);
bool is_forked_child(void); /* another thread of the parent may have had the loader's lock */
int32_t local_rank(void);   /* -1: no launcher set one */

/* threads.c */
uint32_t thread_id(void);
void note_forked_thread(void); /* the one thread of a forked child */
void note_creator(void);       /* the calling thread has created a context */
void forget_creators(void);
enum { MAXIMUM_CREATORS = 64 };
uint32_t living_creators(struct trace_thread *threads);
void note_kept_threads(void); /* from now on: the threads of --keep-threads */

/* files.c: without cancellation points, which open, read and close of libc are */
size_t read_file(const char *path, char *to, size_t capacity);
size_t read_link(const char *path, char *to, size_t capacity);
bool identify_file(const char *path, uint64_t *device, uint64_t *inode);

/* driver.c */
typedef void (*driver_function)(void);
void find_driver(void);
driver_function real_function(enum trace_function function); /* never NULL */
driver_function unwrapped_function(const char *name);
/* The witness's function in place of the driver's, if it is wrapped. */
void *wrapped_in_place_of(void *address);
bool is_witness(uintptr_t address);
void note_missing_arena(void);

/* modules.c */
uint32_t module_of(uintptr_t address, uintptr_t *bias);
uint64_t mix(uint64_t hash, uint64_t value);
struct mapping;
uint32_t module_of_mapping(const struct mapping *mapping); /* 0: there is no room for another one */
size_t copy_module_path(uint32_t module, char *path, size_t capacity);
void note_program(void);
size_t copy_program_path(char *path, size_t capacity);

/* devices.c */
enum { MAXIMUM_HOLDERS = 64 };
/* The devices of this process that a call was about, or -1 if there is no room for one more. */
int device_slot(CUdevice device);
int known_device_slot(CUdevice device);
int used_slots(void); /* they are the first ones */
bool is_denied(int slot);
void forget_devices(void);

/* holders.c: who holds what. A slot of -1 is a device that is not counted. */
bool is_context_alive(int slot);
bool is_device_held(int slot);
bool has_ever_held(int slot, uint32_t module);
bool holds_reference(int slot, uint32_t module);
uint32_t references_of(int slot);
/* What the library has of it afterwards; no holding if there is no room to count it. */
struct trace_change add_holding(int slot, uint32_t module, enum trace_holding holding);
struct trace_change end_holding(int slot, uint32_t module, enum trace_holding holding);
bool begin_context(int slot); /* whether the primary context came to life by it */
/* `first`: whose is taken if it has one. Returns whether this ended the primary context. */
bool take_reference(int slot, uint32_t first, enum trace_holding holding, bool stays_alive,
                    struct trace_change *change);
bool reset_context(int slot); /* whether it ended the primary context */
void forget_holders(void); /* before the devices */

/* context_table.c: whose an ordinary or green context is */
struct context_entry {
    CUdevice device; /* -1: none */
    uint32_t module;
};
bool remember_context(const void *context, struct context_entry entry);
struct context_entry forget_context(const void *context);
void forget_contexts(void);

/* call.c: the frame around every wrapped call */
struct caller {
    uintptr_t address; /* the instruction behind the call */
    uintptr_t frame;   /* where the caller's frame ends on the stack */
};
enum purpose { INITIALIZES, RETAINS, CREATES, RELEASES, RESETS, DESTROYS };
/* The wrapped function fills in what it does, the device (-1: none) and a context that it destroys. */
struct call {
    enum trace_function function;
    enum purpose purpose;
    CUdevice device;
    const void *context;
    struct trace_call *record; /* NULL: not recorded, but counted */
    int slot;
    uint32_t module; /* the library that called */
    uint32_t flags;
    struct trace_change reference, other;
};
/* Whether the call is denied: then the driver is not to be called. */
bool begin_call(struct call *call, struct caller caller);
CUresult end_call(struct call *call, CUresult result);

/* stack.c: the place of the record of the calling thread's stack; 0: none. `module` is the caller's. */
uint64_t note_stack(struct caller caller, uint32_t module);

/* python.c */
bool note_python_lines(uint64_t call); /* false: there are frames that could not be read */
uint32_t python_version(void);
struct loaded_object;
void look_for_python(const struct loaded_object *object);

/* bypass.c */
void look_for_bypass(void);

#endif
