/* The driver API's types, as far as the wrapped functions need them. No cuda.h is needed. */
#ifndef CUDA_CONTEXTS_CUDA_TYPES_H
#define CUDA_CONTEXTS_CUDA_TYPES_H

#include <stdint.h>

typedef int CUresult;
typedef int CUdevice;
typedef void *CUcontext;
typedef void *CUgreenCtx;
typedef void *CUdevResourceDesc;
typedef struct {
    char bytes[16];
} CUuuid;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_PERMITTED = 800,
};

#endif
