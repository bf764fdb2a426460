/* Contexts of every kind, their handles, and each thread's stack of current contexts. */
#pragma once

#include "cuda_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NO_DEVICE = -1 };

/* Of device memory, as measured: experiment E6. */
enum { CONTEXT_BYTES = 524 << 20 };

/* A primary context lives in its device for good; an ordinary one for good too, so that a handle
   never means anything else later. */
struct context {
    CUcontext handle;
    int ordinal;
    bool primary;
    bool alive;
    uint32_t generation; /* activations so far; a stream remembers the one that it belongs to */
    uint32_t api_version;
    unsigned int flags;
    uint64_t id;
    size_t bytes; /* of device memory that it takes while it lives */
    struct allocation *allocations;
};

/* contexts.c */
void forget_context_handles(void);
bool reserve_context_handle(struct context *context);
struct context *find_context(CUcontext handle);
int ordinal_of_context(CUcontext handle);
int ordinal_of_green_context(CUgreenCtx handle); /* green_contexts.c */
bool context_flags_are_valid(unsigned int flags);

/* context_stack.c */
struct context *current_context(void);
int ordinal_of_current_context(void);
uint32_t current_stack(struct context *const **entries);
CUresult push_context(struct context *context);
CUresult replace_current_context(struct context *context);
bool pop_context(void);

/* memory.c */
void free_allocations(struct context *context);

/* streams.c */
int ordinal_of_stream(CUstream stream);
int ordinal_of_event(CUevent event);

/* context_queries.c */
CUresult living_current_context(struct context **context, CUresult result_if_dead);
