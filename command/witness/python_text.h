/* Texts in a Python interpreter's memory. */
#ifndef CUDA_CONTEXTS_PYTHON_TEXT_H
#define CUDA_CONTEXTS_PYTHON_TEXT_H

#include "readable.h"

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

size_t put_utf8(char *to, uint32_t letter); /* at most 4 bytes */

#endif
