/* What the witness's files know of each other. */
#ifndef CUDA_CONTEXTS_WITNESS_H
#define CUDA_CONTEXTS_WITNESS_H

#include "cuda_types.h"
#include "events.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

/* arena.c */
void open_arena(void);
const struct trace_arena *arena_settings(void); /* what there is without an arena: nothing denied */
/* NULL where there is no arena or no room. Nothing of a record is cleared: it is 0 already. */
void *reserve_record(enum trace_kind kind, size_t length);
void publish_record(void *record, enum trace_state state);
uint64_t place_of_record(const void *record);
uint32_t next_module_id(void);
uint64_t monotonic_ns(void);

/* process.c */
int process_id(void);
void notice_fork(void);   /* writes no record */
void enter_process(void); /* before anything else in a call: that, and the process's record */
void note_process(void);  /* the process's record, unless it has one */
void note_successful_init(void);
bool is_initialized(void);
bool has_exited(void);
bool is_forked_child(void); /* another thread of the parent may have had the loader's lock */
int32_t meant_ordinal(void); /* of --only; -1: it is no ordinal, or no rank is known */

/* driver.c */
typedef void (*driver_function)(void);
void find_driver(void);
driver_function real_function(enum trace_function function);
driver_function real_question(const char *name);
/* The witness's function in place of the driver's, if it is wrapped. */
void *wrapped_in_place_of(void *address);
bool is_witness(uintptr_t address);

/* modules.c */
uint32_t module_of(uintptr_t address, uintptr_t *bias);
size_t copy_module_path(uint32_t module, char *path, size_t capacity);
void note_program(void);

/* devices.c */
enum { MAXIMUM_DEVICES = 1024, MAXIMUM_HOLDERS = 48 };
/* The devices of this process that a call was about, or -1 where there is no room for one more. */
int device_slot(CUdevice device);
int known_device_slot(CUdevice device);
enum trace_meant whether_meant(int slot);
void forget_devices(void);

/* holders.c: who holds what. A slot of -1 is a device that is not counted. */
struct device_counts {
    int32_t references, green, ordinary;
};
bool is_context_alive(int slot);
bool has_ever_held(int slot, uint32_t module);
/* These answer whether the primary context came to life by it. */
bool add_reference(int slot, uint32_t module, bool *counted);
bool add_green(int slot, uint32_t module, bool *counted);
enum taking { TOOK_NOTHING, TOOK_REFERENCE, ENDED_CONTEXT }; /* the last: the last reference, too */
enum taking take_reference(int slot, uint32_t module, bool stays_alive, uint32_t *taken_from);
enum taking take_green(int slot, uint32_t maker, uint32_t *taken_from);
void add_ordinary(int slot, uint32_t module, int change);
bool reset_references(int slot); /* whether it ended the primary context */
struct device_counts counts_of(int slot);
int32_t references_of(int slot, uint32_t module);
void forget_holders(void);

/* context_table.c: whose an ordinary or green context is */
struct context_entry {
    int32_t device; /* the CUdevice */
    uint32_t module;
};
bool remember_context(const void *context, struct context_entry entry);
bool forget_context(const void *context, struct context_entry *entry);
void forget_contexts(void);

/* call.c: the frame around every wrapped call */
struct call {
    struct trace_call *record; /* NULL: not recorded, but counted */
    enum trace_function function;
    CUdevice device;
    int slot;
    uint32_t module; /* the library that called */
    uint32_t flags;
    uint32_t taken_from;
    const void *context;
};
/* Answers whether the call is denied: then the driver is not to be called. */
bool begin_call(struct call *call, enum trace_function function, CUdevice device,
                uint64_t arguments, const void *caller);
void end_call(struct call *call, CUresult answer);

/* native_stack.c */
/* Return addresses outside the witness, innermost first, the first one being `caller`. */
int native_stack(uintptr_t caller, uintptr_t addresses[TRACE_MAXIMUM_NATIVE_FRAMES]);

/* python.c */
bool note_python_frames(uint64_t call); /* false: there are frames that could not be read */
uint32_t python_version(void);
void look_for_python(void);
void note_python_frame(uint64_t call, uint32_t index, int32_t line, const char *file,
                       size_t file_length, const char *function, size_t function_length);

/* Addresses of the interpreter's own types, by which its objects are known. */
struct python_types {
    uintptr_t code, frame, text, bytes;
};
/* python_dump.c, python_frames.c, python_old_frames.c: the three ways */
bool dump_python_frames(uint64_t call, void *dump, void *thread_state);
bool walk_python_frames(uint64_t call, const void *runtime, const struct python_types *types,
                        const void *thread_state);
bool walk_old_python_frames(uint64_t call, uint32_t version, const struct python_types *types,
                            const void *thread_state);
/* python_lines.c */
int32_t python_line(const uint8_t *table, size_t length, int32_t first_line, int64_t offset);

/* bypass.c */
void look_for_bypass(void);

#endif
