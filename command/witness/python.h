/* The parts of reading an interpreter's frames. */
#ifndef CUDA_CONTEXTS_PYTHON_H
#define CUDA_CONTEXTS_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

enum { LONGEST_PYTHON_FILE = 1024, LONGEST_PYTHON_FUNCTION = 256 };

/* python_frames.c */
struct python {
    uint32_t version;    /* PY_VERSION_HEX */
    uintptr_t runtime;   /* _PyRuntime */
    uintptr_t code_type; /* PyCode_Type, by which code objects are known */
    uintptr_t dump;      /* PyUnstable_DumpTraceback, since 3.15 */
    /* The line that a frame is at, since 3.12; before that, of an offset in a code object. They only read. */
    int (*line_of_frame)(uintptr_t frame);    /* PyUnstable_InterpreterFrame_GetLine */
    int (*line_of_code)(uintptr_t, int);      /* PyCode_Addr2Line */
};

/* False if there are frames that could not be read, or more than are kept. */
bool walk_python_frames(uint64_t call, const struct python *python, uintptr_t thread_state);

/* python_dump.c: the same, by the interpreter's own function */
bool dump_python_frames(uint64_t call, uintptr_t dump, void *thread_state);

#endif
