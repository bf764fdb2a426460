/* Simulated device memory. */
#ifndef SIMULATED_MEMORY_H
#define SIMULATED_MEMORY_H

#include "contexts.h"

#pragma GCC visibility push(hidden)

void free_allocations(struct context *context);
/* Where this range of the current context's device memory lies, if it is within one allocation. */
CUresult find_device_memory(CUdeviceptr address, size_t bytes, char **start);

#pragma GCC visibility pop

#endif
