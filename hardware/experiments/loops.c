/* Loops over driver functions whose addresses the caller passes: no Python between the calls. */
#include <stdint.h>
#include <time.h>

typedef int (*of_device)(int device);
typedef int (*retain_of)(void **context, int device);
typedef int (*state_of)(int device, unsigned *flags, int *active);
typedef int (*ordinal_of)(int *device, int ordinal);
typedef int (*out_int)(int *value);
typedef int (*out_pointer)(void **value);

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Each loop gives the whole time in nanoseconds and counts the calls that did not answer 0. */
#define LOOP(body)                                  \
    uint64_t start = now();                         \
    for (uint64_t i = 0; i < rounds; i++) { body; } \
    return now() - start

uint64_t loop_state(state_of get, int device, uint64_t rounds, uint64_t *failed)
{
    unsigned flags; int active;
    LOOP(*failed += get(device, &flags, &active) != 0);
}

uint64_t loop_ordinal(ordinal_of get, int ordinal, uint64_t rounds, uint64_t *failed)
{
    int device;
    LOOP(*failed += get(&device, ordinal) != 0);
}

uint64_t loop_int(out_int get, int unused, uint64_t rounds, uint64_t *failed)
{
    int value;
    (void)unused;
    LOOP(*failed += get(&value) != 0);
}

uint64_t loop_pointer(out_pointer get, int unused, uint64_t rounds, uint64_t *failed)
{
    void *value;
    (void)unused;
    LOOP(*failed += get(&value) != 0);
}

uint64_t loop_retain_release(retain_of retain, of_device release, int device, uint64_t rounds,
                             uint64_t *failed)
{
    void *context;
    LOOP(*failed += retain(&context, device) != 0; *failed += release(device) != 0);
}

uint64_t loop_retain(retain_of retain, int device, uint64_t rounds, uint64_t *failed)
{
    void *context;
    LOOP(*failed += retain(&context, device) != 0);
}

/* GetState then Release while active; counts what Release answered: counts[0] for 0,
   counts[1] for 201, counts[2] for anything else, whose last code is counts[3]. */
void race_to_inactive(state_of get, of_device release, int device, uint64_t *counts)
{
    unsigned flags; int active;
    for (;;) {
        int code = get(device, &flags, &active);
        if (code != 0 || !active) { if (code) { counts[2]++; counts[3] = (uint64_t)code; } return; }
        code = release(device);
        counts[code == 0 ? 0 : code == 201 ? 1 : 2]++;
        if (code != 0) { if (code != 201) counts[3] = (uint64_t)code; return; }
    }
}
