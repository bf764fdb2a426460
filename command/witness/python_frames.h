/* Reading an interpreter's frames. */
#ifndef CUDA_CONTEXTS_PYTHON_FRAMES_H
#define CUDA_CONTEXTS_PYTHON_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python {
    uint32_t version;    /* PY_VERSION_HEX */
    uintptr_t runtime;   /* _PyRuntime */
    uintptr_t code_type; /* PyCode_Type, by which code objects are known */
};

/* False if there are frames that could not be read, or more than are kept. */
bool walk_python_frames(uint64_t call, const struct python *python, uintptr_t thread_state);

/* python_lines.c: `offset` is in bytes from the beginning of the code. -1: none */
int32_t python_line(const uint8_t *table, size_t length, int32_t first_line, int64_t offset);

#endif
