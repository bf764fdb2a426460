/* Simulated device memory. */
#pragma once

#include "contexts.h"

void free_allocations(struct context *context);
