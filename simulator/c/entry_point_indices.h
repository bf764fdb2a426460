/* An entry point's index in every table that has a row for each function. */
#pragma once

enum entry_point {
#define ENTRY_POINT(symbol, ...) ENTRY_##symbol,
#include "entry_points.h"
    ENTRY_POINT_COUNT
};

/* A call of a function that is not modelled. */
__attribute__((visibility("hidden"))) int refused_call(enum entry_point entry);
