/* The prototype of every function in the model that an entry point calls, from the one table. */
#ifndef SIMULATED_IMPLEMENTATIONS_H
#define SIMULATED_IMPLEMENTATIONS_H

#include "cuda_types.h"

#pragma GCC visibility push(hidden)

#define REFUSED(...)
#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    CUresult implementation parameters;
#include "entry_points.h"

#pragma GCC visibility pop

#endif
