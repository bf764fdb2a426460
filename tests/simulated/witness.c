/*
 * What the witness of cuda-contexts exports, with holders that the test names. It is linked to the
 * simulated driver, as the witness is to the real one.
 */
#include <stdint.h>
#include <string.h>

#ifndef INTERFACE
#define INTERFACE 1
#endif

struct holder {
    uint32_t references, green, ordinary, reserved;
    char library[240];
};

static struct {
    int32_t device;
    struct holder holder;
} held[64];
static uint32_t count;

void add_holder(int32_t device, uint32_t references, uint32_t green, uint32_t ordinary,
                const char *library)
{
    struct holder holder = { references, green, ordinary, 0, "" };

    strncpy(holder.library, library, sizeof holder.library - 1);
    held[count].device = device;
    held[count++].holder = holder;
}

void take(const char *library, uint32_t references, uint32_t green)
{
    for (uint32_t index = 0; index < count; index++)
        if (!strcmp(held[index].holder.library, library)) {
            held[index].holder.references -= references;
            held[index].holder.green -= green;
        }
}

uint32_t cuda_contexts_version(void)
{
    return INTERFACE;
}

uint32_t cuda_contexts_holders(int32_t device, struct holder *holders, uint32_t capacity)
{
    uint32_t found = 0;

    for (uint32_t index = 0; index < count; index++) {
        struct holder *holder = &held[index].holder;

        if (held[index].device != device
            || holder->references + holder->green + holder->ordinary == 0)
            continue;
        if (found < capacity)
            holders[found] = *holder;
        found++;
    }
    return found;
}
