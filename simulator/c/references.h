/*
 * The references to one primary context, and whose they are. The driver itself keeps a bare count and
 * cannot tell one holder's reference from another's; this is what a test sees that the driver does not.
 *
 * A release takes a reference of its own owner. If that owner has none, it takes one of the first owner
 * that has, which is noted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { OWNER_CLIENT, OWNER_OTHER_LIBRARY, OWNER_GREEN_CONTEXT, MAXIMUM_OWNERS = 32 };

struct references {
    uint32_t count;
    uint32_t of_owner[MAXIMUM_OWNERS];
};

struct simulated_cuda_taken;

/* Whether any thread has ever acted as somebody else; only then is the thread asked. */
extern bool threads_act_as_others;

uint32_t owner_of_this_thread(void);
uint32_t act_as(uint32_t owner);

void take_from_another(struct references *references, uint32_t by, int ordinal);
uint64_t copy_taken(struct simulated_cuda_taken *out, uint64_t capacity);
void forget_owners(void);

static inline uint32_t acting_owner(void)
{
    return __builtin_expect(threads_act_as_others, 0) ? owner_of_this_thread() : OWNER_CLIENT;
}

static inline void add_reference(struct references *references, uint32_t owner)
{
    references->count++;
    references->of_owner[owner]++;
}

/* There is one. */
static inline void take_reference(struct references *references, uint32_t by, int ordinal)
{
    references->count--;
    if (__builtin_expect(!references->of_owner[by], 0))
        take_from_another(references, by, ordinal);
    else
        references->of_owner[by]--;
}
