/* The names of the entry points. */
#include "watched_calls.h"

#include <string.h>

static const char *const names[ENTRY_POINT_COUNT] = {
#define ENTRY_POINT(symbol, ...) #symbol,
#include "entry_points.h"
};

const char *entry_point_name(uint32_t entry)
{
    return entry < ENTRY_POINT_COUNT ? names[entry] : NULL;
}

int entry_point_index(const char *name)
{
    for (int entry = 0; name && entry < ENTRY_POINT_COUNT; entry++)
        if (!strcmp(names[entry], name))
            return entry;
    return -1;
}
