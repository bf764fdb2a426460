/*
 * The functions that the simulated driver does not model. It knows their names and not their parameters, so
 * this file must not see NVIDIA's prototypes: by the calling conventions of x86-64 and aarch64 a function may
 * ignore the arguments that it is called with.
 */
#include "entry_point_indices.h"

#define ENTRY_POINT(...)
#define REFUSED(symbol, since)                                  \
    __attribute__((visibility("default"))) int symbol(void);    \
    int symbol(void)                                            \
    {                                                           \
        return refused_call(ENTRY_##symbol);                    \
    }
#include "entry_points.h"
