/* Whose references there are, and who took whose. Nothing here allocates. */
#include "references.h"
#include "simulated_cuda.h"

#include <string.h>

enum { MAXIMUM_TAKEN = 16384 };

static struct simulated_cuda_taken taken[MAXIMUM_TAKEN];
static uint64_t taken_count;

static __thread uint32_t this_thread_acts_as;

bool threads_act_as_others;

uint32_t owner_of_this_thread(void)
{
    return this_thread_acts_as;
}

uint32_t act_as(uint32_t owner)
{
    uint32_t before = this_thread_acts_as;

    threads_act_as_others = true;
    this_thread_acts_as = owner;
    return before;
}

void take_from_another(struct references *references, uint32_t by, int ordinal)
{
    uint32_t from = 0;

    while (!references->of_owner[from])
        from++;
    references->of_owner[from]--;
    if (taken_count < MAXIMUM_TAKEN)
        taken[taken_count++] =
            (struct simulated_cuda_taken){ .device = (uint32_t)ordinal, .by = by, .from = from };
}

uint64_t copy_taken(struct simulated_cuda_taken *out, uint64_t capacity)
{
    uint64_t count = taken_count < capacity ? taken_count : capacity;

    if (count)
        memcpy(out, taken, count * sizeof *out);
    return taken_count;
}

void forget_owners(void)
{
    taken_count = 0;
    threads_act_as_others = false;
}
