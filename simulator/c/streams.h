/* Streams and events. */
#pragma once

#include "contexts.h"

int ordinal_of_stream(CUstream stream);
int ordinal_of_event(CUevent event);
