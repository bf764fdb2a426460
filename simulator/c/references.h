/*
 * The references to one primary context, and whose they are. The driver itself keeps a bare count and
 * cannot tell one holder's reference from another's; this is what a test sees that the driver does not.
 *
 * References lie in the order in which they were taken, those of one owner in a row as one run. A
 * release takes its own owner's newest; where it has none, the oldest of all, which is noted.
 */
#ifndef SIMULATED_CUDA_REFERENCES_H
#define SIMULATED_CUDA_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* More runs than owners, so that when all are in use two of them are one owner's and can be joined. */
enum { MAXIMUM_OWNERS = 32, MAXIMUM_RUNS = 64 };

enum { OWNER_CLIENT, OWNER_OTHER_LIBRARY, OWNER_RUNTIME, OWNER_GREEN_CONTEXT, OWNER_FIRST_NAMED };

struct run {
    uint32_t owner;
    uint32_t count;
};

struct references {
    uint32_t count;
    struct run newest; /* of none, when there are no references */
    uint32_t older_count;
    struct run older[MAXIMUM_RUNS]; /* the oldest first */
};

struct simulated_cuda_owner;
struct simulated_cuda_taken;

/* Whether any thread has ever acted as somebody else; only then is the thread asked. */
extern bool threads_act_as_others;

uint32_t owner_of_this_thread(void);
uint32_t act_as(uint32_t owner);
int owner_by_name(const char *name);
const char *owner_name(uint32_t owner);

void start_run(struct references *references, uint32_t owner);
void end_newest_run(struct references *references);
void take_from_older_run(struct references *references, uint32_t by, int ordinal);
uint32_t copy_owners(const struct references *references, struct simulated_cuda_owner *out,
                     uint32_t capacity);
uint64_t copy_taken(struct simulated_cuda_taken *out, uint64_t capacity);
void forget_owners(void);

static inline uint32_t acting_owner(void)
{
    return __builtin_expect(threads_act_as_others, 0) ? owner_of_this_thread() : OWNER_CLIENT;
}

static inline void add_reference(struct references *references, uint32_t owner)
{
    references->count++;
    if (__builtin_expect(references->newest.owner != owner, 0))
        start_run(references, owner);
    references->newest.count++;
}

/* There is one. */
static inline void take_reference(struct references *references, uint32_t by, int ordinal)
{
    references->count--;
    if (__builtin_expect(references->newest.owner != by, 0))
        take_from_older_run(references, by, ordinal);
    else if (!--references->newest.count && references->older_count)
        end_newest_run(references);
}

#pragma GCC visibility pop

#endif
