/* The named settings for what the vendor leaves undocumented. */
#include "knob.h"

#include <string.h>

static const struct {
    const char *name;
    uint64_t initial;
} known[KNOB_COUNT] = {
#define KNOB(name, initial) { #name, initial },
#include "knobs.h"
#undef KNOB
};

uint64_t knobs[KNOB_COUNT] = {
#define KNOB(name, initial) initial,
#include "knobs.h"
#undef KNOB
};

bool set_knob(const char *name, uint64_t value)
{
    for (unsigned int index = 0; name && index < KNOB_COUNT; index++) {
        if (!strcmp(known[index].name, name)) {
            knobs[index] = value;
            return true;
        }
    }
    return false;
}

void reset_knobs(void)
{
    for (unsigned int index = 0; index < KNOB_COUNT; index++)
        knobs[index] = known[index].initial;
}
