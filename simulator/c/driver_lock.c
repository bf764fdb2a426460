/* The slow half of the driver's lock, and the page that it lives in. */
#include "driver_lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static struct process_page unmapped_page;

struct process_page *process_page = &unmapped_page;
bool process_page_needs_owner = true;

void map_process_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page != MAP_FAILED) {
        process_page = page;
        /* QEMU 7.2 returns success for any advice, even to one that does not exist, and wipes nothing. */
        process_page_needs_owner =
            madvise(page, size, -1) == 0 || madvise(page, size, MADV_WIPEONFORK) != 0;
    }
    atomic_store(&process_page->owner, (int32_t)getpid());
}

/*
 * Does by hand what MADV_WIPEONFORK does: the first call in a new process clears the page. Only the
 * thread that sees the change of owner first does so.
 */
void wipe_process_page_after_fork(void)
{
    int32_t here = (int32_t)getpid();
    int32_t owner = atomic_load(&process_page->owner);

    if (owner == here || !atomic_compare_exchange_strong(&process_page->owner, &owner, here))
        return;
    process_page->initialized = 0;
    process_page->init_failed = 0;
    process_page->refuses_child = 0;
    process_page->target = NULL;
    atomic_store(&process_page->lock, 0);
}

void wait_for_driver_lock(void)
{
    /* 2 tells the holder that somebody sleeps; whoever gets the lock from here on keeps it at 2, so
       that no sleeper is forgotten. */
    while (atomic_exchange_explicit(&process_page->lock, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &process_page->lock, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void wake_driver_lock(void)
{
    syscall(SYS_futex, &process_page->lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
