/* The named settings of src/knobs.rs, of which build.rs makes knobs.h. */
#pragma once

#include "cuda_types.h"

#include <stdint.h>

enum knob {
#define KNOB(name, initial) KNOB_##name,
#include "knobs.h"
#undef KNOB
    KNOB_COUNT
};

extern uint64_t knobs[KNOB_COUNT];
#define knob(name) (knobs[KNOB_##name])
