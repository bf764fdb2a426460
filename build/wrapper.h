/* The driver API and nothing else: cuda.h declares it, cudaTypedefs.h beside it
 * has the versioned function types by which functions are looked up at run time. */
#include <cuda.h>
#include <cudaTypedefs.h>
