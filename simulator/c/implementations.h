/* The prototype of every function in the model that an entry point calls, from the one table. */
#pragma once

#include "cuda_types.h"

#define REFUSED(...)
#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    CUresult implementation parameters;
#include "entry_points.h"
