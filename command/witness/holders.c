/*
 * Who holds what on each device. Numbers are changed after the driver has returned, each atomically,
 * with no lock; the driver's count of references is the sum of the libraries' own ones and of one for
 * each green context (as measured, it is one count, whoever takes from it).
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

/* One holding of one library. */
struct holder {
    _Atomic uint64_t key;   /* module and holding; 0: free */
    _Atomic uint64_t state; /* the number of its changes in the upper half, its count in the lower */
    _Atomic uint64_t since; /* when it came to hold one, in order */
};

static struct {
    _Atomic uint32_t references;
    _Atomic int alive;
    struct holder holders[MAXIMUM_HOLDERS];
} devices[TRACE_MAXIMUM_DEVICES];

static _Atomic int highest_slot = -1;
static _Atomic uint64_t next_since = 1;

static uint64_t key_of(uint32_t module, enum trace_holding holding)
{
    return (uint64_t)module << 8 | holding;
}

static uint32_t count_of(struct holder *holder)
{
    return holder ? (uint32_t)atomic_load(&holder->state) : 0;
}

static struct holder *find_holder(int slot, uint32_t module, enum trace_holding holding, bool add)
{
    uint64_t key = key_of(module, holding);

    for (int index = 0; slot >= 0 && index < MAXIMUM_HOLDERS; index++) {
        struct holder *holder = &devices[slot].holders[index];
        uint64_t found = atomic_load_explicit(&holder->key, memory_order_relaxed);

        if (!found && !add)
            return NULL;
        if (!found && atomic_compare_exchange_strong(&holder->key, &found, key))
            return holder;
        if (found == key)
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

/* False if it would be less than 0. */
static bool change(struct holder *holder, bool add, struct trace_change *changed)
{
    uint64_t before = atomic_load(&holder->state), after, key = atomic_load(&holder->key);

    do {
        uint32_t number = (uint32_t)(before >> 32) + 1, count = (uint32_t)before;

        if (!add && !count)
            return false;
        after = (uint64_t)number << 32 | (add ? count + 1 : count - 1);
    } while (!atomic_compare_exchange_weak(&holder->state, &before, after));
    if (add && !(uint32_t)before)
        atomic_store(&holder->since, atomic_fetch_add(&next_since, 1));
    *changed = (struct trace_change){ .module = (uint32_t)(key >> 8),
                                      .holding = key & 0xff,
                                      .count = (uint32_t)after,
                                      .number = (uint32_t)(after >> 32) };
    return true;
}

static bool is_reference(enum trace_holding holding)
{
    return holding == TRACE_REFERENCE || holding == TRACE_GREEN_REFERENCE;
}

struct trace_change add_holding(int slot, uint32_t module, enum trace_holding holding)
{
    struct trace_change changed = { .holding = TRACE_NOTHING };
    struct holder *holder = find_holder(slot, module, holding, true);

    if (slot < 0)
        return changed;
    note_slot(slot);
    if (is_reference(holding))
        atomic_fetch_add(&devices[slot].references, 1);
    if (holder)
        change(holder, true, &changed);
    return changed;
}

struct trace_change end_holding(int slot, uint32_t module, enum trace_holding holding)
{
    struct trace_change changed = { .holding = TRACE_NOTHING };
    struct holder *holder = find_holder(slot, module, holding, false);

    if (holder)
        change(holder, false, &changed);
    return changed;
}

/* Whoever has held one of these longest. */
static struct holder *oldest_holder(int slot, enum trace_holding holding)
{
    struct holder *oldest = NULL;

    for (int index = 0; index < MAXIMUM_HOLDERS; index++) {
        struct holder *holder = &devices[slot].holders[index];
        uint64_t key = atomic_load(&holder->key);

        if (!key)
            break;
        if ((key & 0xff) == holding && count_of(holder)
            && (!oldest || atomic_load(&holder->since) < atomic_load(&oldest->since)))
            oldest = holder;
    }
    return oldest;
}

bool is_context_alive(int slot)
{
    return slot >= 0 && atomic_load(&devices[slot].alive);
}

bool is_device_held(int slot)
{
    return is_context_alive(slot) || oldest_holder(slot, TRACE_ORDINARY_CONTEXT);
}

bool holds_reference(int slot, uint32_t module)
{
    return count_of(find_holder(slot, module, TRACE_REFERENCE, false));
}

bool has_ever_held(int slot, uint32_t module)
{
    return find_holder(slot, module, TRACE_REFERENCE, false);
}

uint32_t references_of(int slot)
{
    return slot < 0 ? 0 : atomic_load(&devices[slot].references);
}

bool begin_context(int slot)
{
    return slot >= 0 && !atomic_exchange(&devices[slot].alive, 1);
}

/* As measured: a reset ends the context, and every reference stays to be released. */
bool reset_context(int slot)
{
    return slot >= 0 && atomic_exchange(&devices[slot].alive, 0);
}

static bool take_one(_Atomic uint32_t *number)
{
    uint32_t value = atomic_load(number);

    while (value > 0)
        if (atomic_compare_exchange_weak(number, &value, value - 1))
            return true;
    return false;
}

static void charge(int slot, struct holder *first, struct trace_change *changed)
{
    static const enum trace_holding order[] = { TRACE_REFERENCE, TRACE_GREEN_REFERENCE };
    struct holder *holder;

    if (first && change(first, false, changed))
        return;
    for (int kind = 0; kind < 2; kind++)
        while ((holder = oldest_holder(slot, order[kind])))
            if (change(holder, false, changed))
                return;
}

/* As measured: a green context that ends when there is no reference left gives none back. */
bool take_reference(int slot, uint32_t first, enum trace_holding holding, bool stays_alive,
                    struct trace_change *changed)
{
    if (slot < 0 || !take_one(&devices[slot].references))
        return false;
    charge(slot, find_holder(slot, first, holding, false), changed);
    while (!stays_alive && !references_of(slot) && atomic_exchange(&devices[slot].alive, 0)) {
        int dead = 0;

        /*
         * Another thread's retain may have come in between. If it finds the context alive again, this was
         * no end. If it found none, its record has a creation, and this is the end before that.
         */
        if (!references_of(slot)
            || !atomic_compare_exchange_strong(&devices[slot].alive, &dead, 1))
            return true;
    }
    return false;
}

void forget_holders(void)
{
    int highest = atomic_load(&highest_slot);

    for (int slot = 0; slot <= highest; slot++)
        memset(&devices[slot], 0, sizeof devices[slot]);
    atomic_store(&highest_slot, -1);
}

/* Since when a library has held anything; 0: it holds nothing. Fills `out` in. */
static uint64_t sum_up(int slot, uint32_t module, struct cuda_contexts_holder *out)
{
    uint64_t since = 0;

    memset(out, 0, sizeof *out);
    for (int index = 0; index < MAXIMUM_HOLDERS; index++) {
        struct holder *holder = &devices[slot].holders[index];
        uint64_t key = atomic_load(&holder->key), begin = atomic_load(&holder->since);
        uint32_t count = count_of(holder);

        if (key >> 8 != module || !count || (key & 0xff) == TRACE_GREEN_CONTEXT)
            continue;
        since = !since || begin < since ? begin : since;
        if ((key & 0xff) == TRACE_REFERENCE)
            out->references = count;
        if ((key & 0xff) == TRACE_GREEN_REFERENCE)
            out->green = count;
        if ((key & 0xff) == TRACE_ORDINARY_CONTEXT)
            out->ordinary = count;
    }
    return since;
}

/* By choosing the next one again and again: there are few. */
EXPORTED uint32_t cuda_contexts_holders(int32_t device, struct cuda_contexts_holder *holders,
                                        uint32_t capacity)
{
    uint64_t after = 0;
    uint32_t count = 0;
    int slot;

    notice_fork();
    slot = known_device_slot(device);
    for (;;) {
        struct cuda_contexts_holder next, found;
        uint64_t first = 0;
        uint32_t module = 0;

        for (int index = 0; slot >= 0 && index < MAXIMUM_HOLDERS; index++) {
            uint64_t key = atomic_load(&devices[slot].holders[index].key);
            uint64_t since = key ? sum_up(slot, (uint32_t)(key >> 8), &found) : 0;

            if (since > after && (!first || since < first)) {
                first = since;
                module = (uint32_t)(key >> 8);
                next = found;
            }
        }
        if (!first)
            return count;
        after = first;
        if (count < capacity) {
            copy_module_path(module, next.library, sizeof next.library - 1);
            holders[count] = next;
        }
        count++;
    }
}

EXPORTED uint32_t cuda_contexts_version(void)
{
    return CUDA_CONTEXTS_INTERFACE;
}
