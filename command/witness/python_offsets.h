/* Where an interpreter's structures have their fields. */
#ifndef CUDA_CONTEXTS_PYTHON_OFFSETS_H
#define CUDA_CONTEXTS_PYTHON_OFFSETS_H

#include "python_frames.h"
#include "python_text.h"

struct python_offsets {
    uint64_t frame_holder; /* of what has the current frame; 0: the thread's state has it */
    uint64_t current_frame;
    uint64_t previous, executable, instr_ptr, tlbc_index;
    uint64_t filename, name, linetable, firstlineno, code, co_tlbc;
    uint64_t owner; /* of a byte that is OWNED_BY_C in frames without code of anybody; 0: none has it */
    uint64_t ob_type;
    uint64_t bytes_length, bytes_content;
    struct python_text_layout text;
    int free_threaded; /* each thread may run a copy of the code */
};

/* False for a version that is not known. */
bool find_python_offsets(struct readable *readable, const struct python *python,
                         struct python_offsets *offsets);

#endif
