/*
 * Device memory: enough to see it go down and come back. Device addresses are host
 * mappings that only cost what is touched.
 */
#include "devices.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct allocation {
    struct allocation *next;
    char *start;
    size_t bytes; /* as asked for, which is what the device is charged */
};

static struct allocation *map_memory(size_t bytes)
{
    struct allocation *allocation = malloc(sizeof *allocation);
    void *start;

    if (!allocation)
        return NULL;
    start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                 0);
    if (start == MAP_FAILED) {
        free(allocation);
        return NULL;
    }
    *allocation = (struct allocation){ .start = start, .bytes = bytes };
    return allocation;
}

static void unmap_memory(struct allocation *allocation)
{
    munmap(allocation->start, allocation->bytes);
    free(allocation);
}

/* Takes the allocation that starts at this address out of the list. */
static struct allocation *take_allocation(struct allocation **list, const void *start)
{
    for (struct allocation **link = list; *link; link = &(*link)->next) {
        struct allocation *allocation = *link;

        if (allocation->start == start) {
            *link = allocation->next;
            return allocation;
        }
    }
    return NULL;
}

void free_allocations(struct context *context)
{
    while (context->allocations) {
        struct allocation *allocation = context->allocations;

        context->allocations = allocation->next;
        driver.devices[context->ordinal].used_bytes -= allocation->bytes;
        unmap_memory(allocation);
    }
}

CUresult memory_get_info(size_t *free_bytes, size_t *total_bytes)
{
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (!free_bytes || !total_bytes)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_ERROR_CONTEXT_IS_DESTROYED)
        *free_bytes = *total_bytes = 0; /* as measured */
    if (result != CUDA_SUCCESS)
        return result;
    *free_bytes = free_bytes_of(&driver.devices[context->ordinal]);
    *total_bytes = (size_t)knob(device_bytes);
    return CUDA_SUCCESS;
}

CUresult memory_allocate(CUdeviceptr *address, size_t bytes)
{
    struct allocation *allocation;
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (!address)
        return CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_ERROR_CONTEXT_IS_DESTROYED)
        *address = 0; /* as measured */
    if (result != CUDA_SUCCESS)
        return result;
    if (!bytes)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes > free_bytes_of(&driver.devices[context->ordinal]))
        return CUDA_ERROR_OUT_OF_MEMORY;
    allocation = map_memory(bytes);
    if (!allocation)
        return CUDA_ERROR_OUT_OF_MEMORY;
    allocation->next = context->allocations;
    context->allocations = allocation;
    driver.devices[context->ordinal].used_bytes += bytes;
    *address = (CUdeviceptr)(uintptr_t)allocation->start;
    return CUDA_SUCCESS;
}

CUresult memory_free(CUdeviceptr address)
{
    struct allocation *allocation;
    struct context *context;
    CUresult result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

    if (result != CUDA_SUCCESS)
        return result;
    if (!address)
        return CUDA_SUCCESS;
    allocation = take_allocation(&context->allocations, (void *)(uintptr_t)address);
    if (!allocation)
        return CUDA_ERROR_INVALID_VALUE;
    driver.devices[context->ordinal].used_bytes -= allocation->bytes;
    unmap_memory(allocation);
    return CUDA_SUCCESS;
}

/* Where this range of the current context's device memory lies, if it is within one allocation. */
static CUresult find_device_memory(CUdeviceptr address, size_t bytes, CUstream stream, char **start)
{
    struct context *context;
    CUresult result = stream_synchronize(stream);

    if (result == CUDA_SUCCESS)
        result = living_current_context(&context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    if (result != CUDA_SUCCESS)
        return result;
    for (struct allocation *allocation = context->allocations; allocation;
         allocation = allocation->next) {
        uintptr_t offset = (uintptr_t)address - (uintptr_t)allocation->start;

        if (offset <= allocation->bytes && bytes <= allocation->bytes - offset) {
            *start = allocation->start + offset;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_VALUE;
}

/* They have happened when they return. Those on no stream are on the default one. */
CUresult memory_copy_to_device(CUdeviceptr destination, const void *source, size_t bytes, CUstream stream)
{
    char *start;
    CUresult result = find_device_memory(destination, bytes, stream, &start);

    if (result != CUDA_SUCCESS)
        return result;
    if (!source)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(start, source, bytes);
    return CUDA_SUCCESS;
}

CUresult memory_copy_to_host(void *destination, CUdeviceptr source, size_t bytes, CUstream stream)
{
    char *start;
    CUresult result = find_device_memory(source, bytes, stream, &start);

    if (result != CUDA_SUCCESS)
        return result;
    if (!destination)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(destination, start, bytes);
    return CUDA_SUCCESS;
}

CUresult memory_set(CUdeviceptr destination, unsigned char value, size_t bytes, CUstream stream)
{
    char *start;
    CUresult result = find_device_memory(destination, bytes, stream, &start);

    if (result == CUDA_SUCCESS)
        memset(start, value, bytes);
    return result;
}
