/*
 * Who holds what on each device. Numbers are added and taken after the driver has answered, each
 * atomically, with no lock; the driver's count of references is the sum of the libraries' own ones and
 * of one for each green context (as measured, it is one count, whoever takes from it).
 *
 * Who is charged: a release takes a reference of the library that called. If that has none, it takes
 * the reference of the library that has held one longest; if there is none either, that of a green
 * context. The end of a green context takes the one of the library that made it, else of whoever has
 * held longest.
 */
#define _GNU_SOURCE
#include "cuda_contexts.h"
#include "witness.h"

#include <string.h>

struct holder {
    _Atomic uint32_t module; /* one more than the module's id; 0: free */
    _Atomic int32_t references, green, ordinary;
    _Atomic uint64_t since; /* when it came to hold one, in order */
    _Atomic bool retained;  /* has ever taken a reference of its own */
};

static struct {
    _Atomic int32_t references, green, ordinary;
    _Atomic int alive;
    struct holder holders[MAXIMUM_HOLDERS];
} devices[MAXIMUM_DEVICES];

static _Atomic int highest_slot = -1;
static _Atomic uint64_t next_since = 1;

static struct holder *find_holder(int slot, uint32_t module, bool add)
{
    for (int index = 0; slot >= 0 && index < MAXIMUM_HOLDERS; index++) {
        struct holder *holder = &devices[slot].holders[index];
        uint32_t found = atomic_load_explicit(&holder->module, memory_order_relaxed);

        if (!found && !add)
            return NULL;
        if (!found && atomic_compare_exchange_strong(&holder->module, &found, module + 1))
            return holder;
        if (found == module + 1)
            return holder;
    }
    return NULL;
}

static void note_slot(int slot)
{
    int highest = atomic_load(&highest_slot);

    while (slot > highest && !atomic_compare_exchange_weak(&highest_slot, &highest, slot)) {
    }
}

static bool take_one(_Atomic int32_t *number)
{
    int32_t value = atomic_load(number);

    while (value > 0)
        if (atomic_compare_exchange_weak(number, &value, value - 1))
            return true;
    return false;
}

/* Whoever has held a reference longest, its own or one of a green context. */
static struct holder *oldest_holder(int slot, bool green)
{
    struct holder *oldest = NULL;

    for (int index = 0; index < MAXIMUM_HOLDERS; index++) {
        struct holder *holder = &devices[slot].holders[index];

        if (!atomic_load(&holder->module))
            break;
        if (atomic_load(green ? &holder->green : &holder->references) > 0
            && (!oldest || atomic_load(&holder->since) < atomic_load(&oldest->since)))
            oldest = holder;
    }
    return oldest;
}

bool is_context_alive(int slot)
{
    return slot >= 0 && atomic_load(&devices[slot].alive);
}

int32_t references_of(int slot, uint32_t module)
{
    struct holder *holder = find_holder(slot, module, false);

    return holder ? atomic_load(&holder->references) : 0;
}

bool has_ever_held(int slot, uint32_t module)
{
    struct holder *holder = find_holder(slot, module, false);

    return holder && atomic_load(&holder->retained);
}

static bool add(int slot, uint32_t module, bool green, bool *counted)
{
    struct holder *holder = find_holder(slot, module, true);

    *counted = holder != NULL;
    if (slot < 0)
        return false;
    note_slot(slot);
    atomic_fetch_add(&devices[slot].references, 1);
    if (green)
        atomic_fetch_add(&devices[slot].green, 1);
    if (holder) {
        if (atomic_load(&holder->references) + atomic_load(&holder->green) <= 0)
            atomic_store(&holder->since, atomic_fetch_add(&next_since, 1));
        atomic_fetch_add(green ? &holder->green : &holder->references, 1);
        if (!green)
            atomic_store(&holder->retained, true);
    }
    return !atomic_exchange(&devices[slot].alive, 1);
}

bool add_reference(int slot, uint32_t module, bool *counted)
{
    return add(slot, module, false, counted);
}

bool add_green(int slot, uint32_t module, bool *counted)
{
    return add(slot, module, true, counted);
}

/* Takes one of a holder's; the other kind of reference than asked for only where there is no other. */
static uint32_t charge(int slot, struct holder *first, bool green)
{
    struct holder *holder = first;

    while (holder && !take_one(green ? &holder->green : &holder->references))
        holder = NULL;
    while (!holder && (holder = oldest_holder(slot, false)))
        if (!take_one(&holder->references))
            holder = NULL;
    while (!holder && (holder = oldest_holder(slot, true)))
        if (!take_one(&holder->green))
            holder = NULL;
    return holder ? atomic_load(&holder->module) - 1 : 0;
}

static enum taking take(int slot, uint32_t module, bool green, bool stays_alive,
                        uint32_t *taken_from)
{
    *taken_from = 0;
    if (slot < 0 || !take_one(&devices[slot].references))
        return TOOK_NOTHING;
    *taken_from = charge(slot, find_holder(slot, module, false), green);
    if (stays_alive)
        return TOOK_REFERENCE;
    while (atomic_load(&devices[slot].references) <= 0
           && atomic_exchange(&devices[slot].alive, 0)) {
        int dead = 0;

        /*
         * Another thread's retain may have come in between. If it finds the context alive again, this was
         * no end. If it found none, it tells a creation, and this is the end before that.
         */
        if (atomic_load(&devices[slot].references) <= 0
            || !atomic_compare_exchange_strong(&devices[slot].alive, &dead, 1))
            return ENDED_CONTEXT;
    }
    return TOOK_REFERENCE;
}

enum taking take_reference(int slot, uint32_t module, bool stays_alive, uint32_t *taken_from)
{
    return take(slot, module, false, stays_alive, taken_from);
}

/* As measured: where there is no reference left, it finds none to give back, and the context stays. */
enum taking take_green(int slot, uint32_t maker, uint32_t *taken_from)
{
    *taken_from = 0;
    if (slot < 0)
        return TOOK_NOTHING;
    take_one(&devices[slot].green);
    return take(slot, maker, true, false, taken_from);
}

void add_ordinary(int slot, uint32_t module, int change)
{
    struct holder *holder = find_holder(slot, module, true);

    if (slot < 0)
        return;
    note_slot(slot);
    atomic_fetch_add(&devices[slot].ordinary, change);
    if (!holder)
        return;
    if (!atomic_load(&holder->since))
        atomic_store(&holder->since, atomic_fetch_add(&next_since, 1));
    atomic_fetch_add(&holder->ordinary, change);
}

/* As measured: a reset ends the context, and every reference stays to be released. */
bool reset_references(int slot)
{
    return slot >= 0 && atomic_exchange(&devices[slot].alive, 0);
}

struct device_counts counts_of(int slot)
{
    struct device_counts none = { 0 };

    if (slot < 0)
        return none;
    return (struct device_counts){ .references = atomic_load(&devices[slot].references),
                                   .green = atomic_load(&devices[slot].green),
                                   .ordinary = atomic_load(&devices[slot].ordinary) };
}

void forget_holders(void)
{
    int highest = atomic_load(&highest_slot);

    for (int slot = 0; slot <= highest; slot++)
        memset(&devices[slot], 0, sizeof devices[slot]);
    atomic_store(&highest_slot, -1);
}

/* In the order of `since`, by choosing the next one again and again: there are few. */
EXPORTED uint32_t cuda_contexts_holders(int32_t device,
                                             struct cuda_contexts_holder *holders,
                                             uint32_t capacity)
{
    uint64_t after = 0;
    uint32_t count = 0;
    int slot;

    notice_fork();
    slot = known_device_slot(device);
    for (;;) {
        struct holder *next = NULL;

        for (int index = 0; slot >= 0 && index < MAXIMUM_HOLDERS; index++) {
            struct holder *holder = &devices[slot].holders[index];
            uint64_t since = atomic_load(&holder->since);

            if (!atomic_load(&holder->module))
                break;
            if (since > after && (!next || since < atomic_load(&next->since)))
                next = holder;
        }
        if (!next)
            return count;
        after = atomic_load(&next->since);
        if (atomic_load(&next->references) <= 0 && atomic_load(&next->green) <= 0
            && atomic_load(&next->ordinary) <= 0)
            continue;
        if (count < capacity) {
            struct cuda_contexts_holder *out = &holders[count];

            memset(out, 0, sizeof *out);
            out->references = (uint32_t)atomic_load(&next->references);
            out->green = (uint32_t)atomic_load(&next->green);
            out->ordinary = (uint32_t)atomic_load(&next->ordinary);
            copy_module_path(atomic_load(&next->module) - 1, out->library,
                             sizeof out->library - 1);
        }
        count++;
    }
}

EXPORTED uint32_t cuda_contexts_version(void)
{
    return CUDA_CONTEXTS_INTERFACE;
}
