/*
 * Hooks: functions of the test that run just before or after one call of a client acts, on the thread
 * that makes it and outside the driver's lock, so that they may call the driver themselves.
 */
#include "watched_calls.h"

#include <stdlib.h>

struct hook {
    struct hook *next;
    enum entry_point entry;
    bool after;
    uint64_t calls_left; /* this one included */
    simulated_cuda_hook run;
    void *data;
};

/* In the order in which they were added. */
static struct hook *waiting;

static void append(struct hook **list, struct hook *hook)
{
    while (*list)
        list = &(*list)->next;
    hook->next = NULL;
    *list = hook;
}

bool add_hook(const char *function, uint64_t nth, bool after, simulated_cuda_hook run, void *data)
{
    int entry = entry_point_index(function);
    struct hook *hook;

    if (entry < 0 || !nth)
        return false;
    hook = malloc(sizeof *hook);
    if (!hook)
        return false;
    *hook = (struct hook){ .entry = (enum entry_point)entry,
                           .after = after,
                           .calls_left = nth,
                           .run = run,
                           .data = data };
    append(&waiting, hook);
    driver.watched |= HAS_HOOKS;
    return true;
}

/* Every waiting hook on this function counts the call; those that are due wait no longer. */
void take_due_hooks(struct call *call)
{
    struct hook **link = &waiting;

    while (*link) {
        struct hook *hook = *link;

        if (hook->entry != call->entry || --hook->calls_left) {
            link = &hook->next;
            continue;
        }
        *link = hook->next;
        append(hook->after ? &call->after : &call->before, hook);
    }
    if (!waiting)
        driver.watched &= ~HAS_HOOKS;
}

void run_hooks(struct hook *due)
{
    while (due) {
        struct hook *hook = due;

        due = hook->next;
        unlock_driver();
        hook->run(hook->data);
        free(hook);
        lock_driver();
    }
}
