/* Streams and events. */
#pragma once

#include "contexts.h"

/* Two handles that CUDA gives to everybody: the default stream as all know it, and each thread's own. */
#define LEGACY_STREAM ((CUstream)0x1)
#define PER_THREAD_STREAM ((CUstream)0x2)

CUresult context_of_stream(CUstream handle, struct context **context);
CUresult refusal_of_object(const struct context *context, uint32_t generation);
int ordinal_of_stream(CUstream stream);
int ordinal_of_event(CUevent event);
