/* What CPython 3.13 and 3.14 say of their own structures: the beginning of _PyRuntime, in two layouts. */
#ifndef CUDA_CONTEXTS_PYTHON_OFFSETS_H
#define CUDA_CONTEXTS_PYTHON_OFFSETS_H

#include "python_text.h"

#include <stdint.h>

/* What both have, in this order, but the state of the interpreter, which is longer in 3.14. */
struct python_thread_offsets {
    uint64_t size, prev, next, interp, current_frame, thread_id, native_thread_id, datastack_chunk,
        status;
};
struct python_object_offsets {
    uint64_t object_size, ob_type;
    uint64_t type_size, tp_name, tp_repr, tp_flags;
    uint64_t tuple_size, tuple_ob_item, tuple_ob_size;
    uint64_t list_size, list_ob_item, list_ob_size;
};
struct python_text_offsets {
    uint64_t dict_size, ma_keys, ma_values;
    uint64_t float_size, ob_fval;
    uint64_t long_size, lv_tag, ob_digit;
    uint64_t bytes_size, bytes_ob_size, ob_sval;
    uint64_t unicode_size, state, length, asciiobject_size;
};

struct python_head {
    char cookie[8];
    uint64_t version, free_threaded;
    uint64_t runtime_size, finalizing, interpreters_head;
};

struct python_3_13 {
    struct python_head head;
    uint64_t interpreter_state[13];
    struct python_thread_offsets thread;
    uint64_t frame_size, previous, executable, instr_ptr, localsplus, owner;
    uint64_t code_size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
        localspluskinds, co_code_adaptive;
    struct python_object_offsets object;
    struct python_text_offsets text;
};

struct python_3_14 {
    struct python_head head;
    uint64_t interpreter_state[16];
    struct python_thread_offsets thread;
    uint64_t frame_size, previous, executable, instr_ptr, localsplus, owner, stackpointer, tlbc_index;
    uint64_t code_size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
        localspluskinds, co_code_adaptive, co_tlbc;
    struct python_object_offsets object;
    uint64_t set_size, set_used, set_table, set_mask;
    struct python_text_offsets text;
};

/* Those that are used, whatever the layout. */
struct python_offsets {
    uint64_t current_frame;
    uint64_t previous, executable, instr_ptr, tlbc_index;
    uint64_t filename, name, linetable, firstlineno, code, co_tlbc;
    uint64_t ob_type;
    uint64_t bytes_length, bytes_content;
    struct python_text_layout text;
    int free_threaded;   /* each thread may run a copy of the code */
};

#endif
