/* Simulated device memory. */
#pragma once

#include "contexts.h"

void free_allocations(struct context *context);
/* Where this range of the current context's device memory lies, if it is within one allocation. */
CUresult find_device_memory(CUdeviceptr address, size_t bytes, char **start);
