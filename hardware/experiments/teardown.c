/* Holders of a context that comes and goes, and questions beside them: no Python between the calls. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef int (*retain_of)(void **context, int device);
typedef int (*release_of)(int device);
typedef int (*set_current_to)(void *context);
typedef int (*allocate_of)(uint64_t *address, size_t bytes);
typedef int (*free_of)(uint64_t address);
typedef int (*state_of)(int device, unsigned *flags, int *active);
typedef int (*name_of)(char *name, int length, int device);

static int is_told(const int *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* Retains and releases until told to stop, with an allocation in between if it works. counts[0] is how
   often, counts[1] how many calls did not answer 0, counts[2] the last such answer. */
void hold_and_let_go(retain_of retain, release_of release, set_current_to set_current,
                     allocate_of allocate, free_of free_memory, int device, int works,
                     const int *stop, uint64_t *counts)
{
    for (; !is_told(stop); counts[0]++) {
        void *context;
        uint64_t memory = 0;
        int codes[6] = { retain(&context, device) };

        if (works) {
            codes[1] = set_current(context);
            codes[2] = allocate(&memory, 1 << 20);
            codes[3] = free_memory(memory);
            codes[4] = set_current(NULL);
        }
        codes[5] = release(device);
        for (int call = 0; call < 6; call++)
            if (codes[call]) {
                counts[1]++;
                counts[2] = (uint64_t)codes[call];
            }
    }
}

/* Asks for state and name until told to stop. counts[0] is how many questions, counts[1] how many had a
   wrong answer, counts[2] how often the context was seen to go. */
void ask(state_of get_state, name_of get_name, int device, const char *expected, const int *stop,
         uint64_t *counts)
{
    int before = 0;

    while (!is_told(stop)) {
        unsigned flags = 77;
        int active = 77;
        char name[128] = "";

        counts[1] += get_state(device, &flags, &active) != 0 || flags != 0 || active < 0 || active > 1;
        counts[1] += get_name(name, sizeof name, device) != 0 || strcmp(name, expected) != 0;
        counts[0] += 2;
        counts[2] += before == 1 && active == 0;
        before = active;
    }
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
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

/* Retains and releases, each round timed, until told to stop. */
void time_retains(retain_of retain, release_of release, int device, const int *stop, uint64_t *counts)
{
    while (!is_told(stop)) {
        void *context;
        uint64_t began = now();
        int failed = retain(&context, device);

        failed |= release(device);
        count(counts, began, failed);
    }
}

/* Asks for the state, each question timed, until told to stop. */
void time_questions(state_of get_state, int device, const int *stop, uint64_t *counts)
{
    while (!is_told(stop)) {
        unsigned flags;
        int active;
        uint64_t began = now();

        count(counts, began, get_state(device, &flags, &active));
    }
}
