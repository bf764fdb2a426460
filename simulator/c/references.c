/* Whose references there are, and who took whose. Nothing here allocates. */
#include "references.h"
#include "simulated.h"

#include <string.h>

enum { LONGEST_NAME = 63, MAXIMUM_TAKEN = 16384 };

static char names[MAXIMUM_OWNERS][LONGEST_NAME + 1] = { "client", "other library", "CUDA runtime",
                                                        "green context" };
static uint32_t name_count = OWNER_FIRST_NAMED;

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

/* The owner of this name, a new one where there is none yet; -1 where no more fit, or the name is too long. */
int owner_by_name(const char *name)
{
    for (uint32_t owner = 0; owner < name_count; owner++)
        if (!strcmp(names[owner], name))
            return (int)owner;
    if (name_count == MAXIMUM_OWNERS || strlen(name) > LONGEST_NAME)
        return -1;
    strcpy(names[name_count], name);
    return (int)name_count++;
}

const char *owner_name(uint32_t owner)
{
    return owner < name_count ? names[owner] : NULL;
}

static void remove_older_run(struct references *references, uint32_t index)
{
    references->older_count--;
    memmove(&references->older[index], &references->older[index + 1],
            (references->older_count - index) * sizeof *references->older);
}

/* The oldest two runs of one owner become one. */
static void join_two_runs(struct references *references)
{
    int seen[MAXIMUM_OWNERS];

    memset(seen, -1, sizeof seen);
    for (uint32_t index = 0; index < references->older_count; index++) {
        int *first = &seen[references->older[index].owner];

        if (*first >= 0) {
            references->older[*first].count += references->older[index].count;
            remove_older_run(references, index);
            return;
        }
        *first = (int)index;
    }
}

void start_run(struct references *references, uint32_t owner)
{
    if (references->older_count == MAXIMUM_RUNS)
        join_two_runs(references);
    if (references->newest.count)
        references->older[references->older_count++] = references->newest;
    references->newest = (struct run){ .owner = owner };
}

void end_newest_run(struct references *references)
{
    references->newest = references->older[--references->older_count];
}

static void note_taken(int ordinal, uint32_t by, uint32_t from)
{
    if (taken_count < MAXIMUM_TAKEN)
        taken[taken_count++] =
            (struct simulated_cuda_taken){ .device = ordinal, .by = by, .from = from };
}

/* The newest run is not its own: it takes from the newest that is, else from the oldest of all. */
void take_from_older_run(struct references *references, uint32_t by, int ordinal)
{
    uint32_t index = references->older_count;

    while (index && references->older[index - 1].owner != by)
        index--;
    if (!index) {
        note_taken(ordinal, by,
                   references->older_count ? references->older[0].owner : references->newest.owner);
        if (!references->older_count) {
            references->newest.count--;
            return;
        }
        index = 1;
    }
    if (!--references->older[index - 1].count)
        remove_older_run(references, index - 1);
}

/* Answers how many owners hold any. */
uint32_t copy_owners(const struct references *references, struct simulated_cuda_owner *out,
                     uint32_t capacity)
{
    uint32_t held[MAXIMUM_OWNERS] = { 0 };
    uint32_t count = 0;

    held[references->newest.owner] = references->newest.count;
    for (uint32_t index = 0; index < references->older_count; index++)
        held[references->older[index].owner] += references->older[index].count;
    for (uint32_t owner = 0; owner < MAXIMUM_OWNERS; owner++) {
        if (!held[owner])
            continue;
        if (count < capacity)
            out[count] = (struct simulated_cuda_owner){ .owner = owner, .references = held[owner] };
        count++;
    }
    return count;
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
    name_count = OWNER_FIRST_NAMED;
    taken_count = 0;
    threads_act_as_others = false;
}
