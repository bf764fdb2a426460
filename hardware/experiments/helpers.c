/* Loops over driver functions whose addresses the caller passes: no Python between the calls. */
#include <stdint.h>
#include <time.h>

typedef int (*release_of)(int device);
typedef int (*retain_of)(void **context, int device);
typedef int (*state_of)(int device, unsigned *flags, int *active);

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Both return nanoseconds for all rounds and count the calls that do not return 0. */
uint64_t loop_state(state_of get_state, int device, uint64_t rounds, uint64_t *failed)
{
    uint64_t began = now();

    for (uint64_t round = 0; round < rounds; round++) {
        unsigned flags;
        int active;

        *failed += get_state(device, &flags, &active) != 0;
    }
    return now() - began;
}

uint64_t loop_pair(retain_of retain, release_of release, int device, uint64_t rounds, uint64_t *failed)
{
    uint64_t began = now();

    for (uint64_t round = 0; round < rounds; round++) {
        void *context;

        *failed += retain(&context, device) != 0;
        *failed += release(device) != 0;
    }
    return now() - began;
}

/* counts[0] rounds, counts[1] of them failed, counts[2] the longest in ns, counts[3] how many over 1 ms. */
static void count(uint64_t *counts, uint64_t began, int failed)
{
    uint64_t took = now() - began;

    counts[0]++;
    counts[1] += failed != 0;
    counts[2] = took > counts[2] ? took : counts[2];
    counts[3] += took > 1000000;
}

static int is_stopped(const int *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* Retains and releases, each round timed, until stopped. */
void time_pairs(retain_of retain, release_of release, int device, const int *stop, uint64_t *counts)
{
    while (!is_stopped(stop)) {
        void *context;
        uint64_t began = now();
        int failed = retain(&context, device);

        failed |= release(device);
        count(counts, began, failed);
    }
}

/* Queries the state, each call timed, until stopped. */
void time_states(state_of get_state, int device, const int *stop, uint64_t *counts)
{
    while (!is_stopped(stop)) {
        unsigned flags;
        int active;
        uint64_t began = now();

        count(counts, began, get_state(device, &flags, &active));
    }
}
