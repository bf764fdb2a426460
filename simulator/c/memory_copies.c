/* Copies through simulated device memory. Those on a stream have happened when they return. */
#include "implementations.h"
#include "memory.h"

#include <string.h>

CUresult memory_copy_to_device(CUdeviceptr destination, const void *source, size_t bytes)
{
    char *start;
    CUresult result = find_device_memory(destination, bytes, &start);

    if (result != CUDA_SUCCESS)
        return result;
    if (!source)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(start, source, bytes);
    return CUDA_SUCCESS;
}

CUresult memory_copy_to_host(void *destination, CUdeviceptr source, size_t bytes)
{
    char *start;
    CUresult result = find_device_memory(source, bytes, &start);

    if (result != CUDA_SUCCESS)
        return result;
    if (!destination)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(destination, start, bytes);
    return CUDA_SUCCESS;
}

CUresult memory_copy_on_device(CUdeviceptr destination, CUdeviceptr source, size_t bytes)
{
    char *to;
    char *from;
    CUresult result = find_device_memory(destination, bytes, &to);

    if (result == CUDA_SUCCESS)
        result = find_device_memory(source, bytes, &from);
    if (result == CUDA_SUCCESS)
        memmove(to, from, bytes);
    return result;
}

CUresult memory_set(CUdeviceptr destination, unsigned char value, size_t bytes)
{
    char *start;
    CUresult result = find_device_memory(destination, bytes, &start);

    if (result == CUDA_SUCCESS)
        memset(start, value, bytes);
    return result;
}

CUresult memory_copy_to_device_on_stream(CUdeviceptr destination, const void *source, size_t bytes,
                                         CUstream stream)
{
    CUresult result = stream_synchronize(stream);

    return result == CUDA_SUCCESS ? memory_copy_to_device(destination, source, bytes) : result;
}

CUresult memory_copy_to_host_on_stream(void *destination, CUdeviceptr source, size_t bytes,
                                       CUstream stream)
{
    CUresult result = stream_synchronize(stream);

    return result == CUDA_SUCCESS ? memory_copy_to_host(destination, source, bytes) : result;
}

CUresult memory_set_on_stream(CUdeviceptr destination, unsigned char value, size_t bytes,
                              CUstream stream)
{
    CUresult result = stream_synchronize(stream);

    return result == CUDA_SUCCESS ? memory_set(destination, value, bytes) : result;
}
