/*
 * Rubbish in the outputs of a refused call, for clients that read what they must not. An argument is
 * an output if it points to something of these types; other arguments are left alone.
 */
#pragma once

#include "cuda_types.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void spoil(void *output, size_t size)
{
    enum { RUBBISH = 0xde };

    if (output && size)
        memset(output, RUBBISH, size);
}

#define SPOIL(argument)                                                                          \
    spoil((void *)(uintptr_t)(argument),                                                         \
          _Generic((argument), char *: 1, int *: 4, unsigned int *: 4, float *: 4, size_t *: 8,  \
                   unsigned long long *: 8, void **: 8, CUcontext *: 8, CUstream *: 8,           \
                   CUevent *: 8, CUgreenCtx *: 8, CUdevResourceDesc *: 8,  \
                   CUuuid *: 16, default: 0));

#define SPOIL_OUTPUTS(...) __VA_OPT__(SPOIL_1(__VA_ARGS__))
#define SPOIL_1(argument, ...) SPOIL(argument) __VA_OPT__(SPOIL_2(__VA_ARGS__))
#define SPOIL_2(argument, ...) SPOIL(argument) __VA_OPT__(SPOIL_3(__VA_ARGS__))
#define SPOIL_3(argument, ...) SPOIL(argument) __VA_OPT__(SPOIL_4(__VA_ARGS__))
#define SPOIL_4(argument, ...) SPOIL(argument) __VA_OPT__(SPOIL_5(__VA_ARGS__))
#define SPOIL_5(argument, ...) SPOIL(argument) __VA_OPT__(SPOIL_6(__VA_ARGS__))
#define SPOIL_6(argument) SPOIL(argument)
