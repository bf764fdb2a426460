/*
 * The one lock of the simulated driver, and the page that a fork wipes.
 *
 * The lock word and the "initialised in this very process" mark live in a page under
 * MADV_WIPEONFORK: the kernel hands a forked child (raw clone included) that page zeroed. So a child
 * finds the lock free even if another thread held it, and sees that it has not initialised the
 * driver itself, without a getpid() in any call.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct target;

struct process_page {
    _Atomic uint32_t lock;  /* 0 free, 1 held, 2 held and somebody sleeps on it */
    uint32_t initialized;   /* cuInit succeeded in this process, and nothing ended it since */
    uint32_t init_failed;   /* cuInit found no device in this process */
    uint32_t refuses_child; /* a fork made this process, or cuInit was called in a bare clone */
    struct target *target;  /* this process's place on its machine, from cuInit on */
    _Atomic int32_t owner;  /* the process; kept only where the kernel cannot wipe the page */
};

extern struct process_page *process_page;
extern bool process_page_needs_owner;

void map_process_page(void);
void wipe_process_page_after_fork(void);
void wait_for_driver_lock(void);
void wake_driver_lock(void);

static inline void lock_driver(void)
{
    uint32_t unlocked = 0;

    if (__builtin_expect(process_page_needs_owner, 0))
        wipe_process_page_after_fork();
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(&process_page->lock, &unlocked, 1,
                                                                  memory_order_acquire,
                                                                  memory_order_relaxed),
                         0))
        wait_for_driver_lock();
}

static inline void unlock_driver(void)
{
    if (__builtin_expect(
            atomic_exchange_explicit(&process_page->lock, 0, memory_order_release) == 2, 0))
        wake_driver_lock();
}
