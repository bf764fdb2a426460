/*
 * Addresses by name and version. The driver decides what a name and a version mean; if it finds
 * a function that is wrapped, the program gets the witness's. These calls are not recorded.
 */
#include "witness.h"

typedef uint64_t cuuint64_t;

EXPORTED CUresult cuGetProcAddress(const char *name, void **address, int version, cuuint64_t flags)
{
    CUresult (*real)(const char *, void **, int, cuuint64_t) =
        (CUresult (*)(const char *, void **, int, cuuint64_t))real_function(TRACE_cuGetProcAddress);
    CUresult result = real(name, address, version, flags);

    if (result == CUDA_SUCCESS && address)
        *address = wrapped_in_place_of(*address);
    return result;
}

EXPORTED CUresult cuGetProcAddress_v2(const char *name, void **address, int version,
                                      cuuint64_t flags, int *status)
{
    CUresult (*real)(const char *, void **, int, cuuint64_t, int *) = (CUresult (*)(
        const char *, void **, int, cuuint64_t, int *))real_function(TRACE_cuGetProcAddress_v2);
    CUresult result = real(name, address, version, flags, status);

    if (result == CUDA_SUCCESS && address)
        *address = wrapped_in_place_of(*address);
    return result;
}
