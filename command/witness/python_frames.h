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
    uintptr_t dump;      /* PyUnstable_DumpTraceback, since 3.15 */
};

/* False if there are frames that could not be read, or more than are kept. */
bool walk_python_frames(uint64_t call, const struct python *python, uintptr_t thread_state);

/* python_dump.c: the same, by the interpreter's own function */
bool dump_python_frames(uint64_t call, uintptr_t dump, void *thread_state);

void note_python_line(uint64_t call, uint32_t index, int32_t line, const char *file,
                      size_t file_length, const char *function, size_t function_length);

/* python_lines.c: `offset` is in bytes from the beginning of the code. -1: none */
int32_t python_line(const uint8_t *table, size_t length, int32_t first_line, int64_t offset);

#endif
