/* The parts of reading an interpreter's frames. */
#ifndef CUDA_CONTEXTS_PYTHON_H
#define CUDA_CONTEXTS_PYTHON_H

#include "readable.h"

/* python_text.c */
enum { LONGEST_PYTHON_FILE = 1024, LONGEST_PYTHON_FUNCTION = 256 };

/* How a str lies in memory. */
struct python_text_layout {
    uint64_t state, length; /* offsets */
    uint64_t header;        /* what comes before ASCII letters */
    uint64_t more_header;   /* and before others */
    unsigned kind_shift;    /* where in `state` the size of a letter is */
};

/* As UTF-8; the beginning of it, where it is too long. */
bool read_python_text(struct readable *readable, const struct python_text_layout *layout,
                      uintptr_t text, char *to, size_t capacity, size_t *used);

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

/* python_offsets.c: where an interpreter's structures have their fields */
struct python_offsets {
    uint64_t frame_holder; /* of what has the current frame; 0: the thread's state has it */
    uint64_t current_frame;
    uint64_t previous, executable;
    uint64_t instr_ptr, code; /* of 3.11 only */
    uint64_t filename, name;
    uint64_t owner; /* of a byte that is OWNED_BY_C in frames without code of anybody; 0: none has it */
    uint64_t ob_type;
    struct python_text_layout text;
};

/* False for a version that is not known. */
bool find_python_offsets(struct readable *readable, const struct python *python,
                         struct python_offsets *offsets);

#endif
