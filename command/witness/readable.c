/*
 * Whether a page can be read is a question to the kernel: rt_sigprocmask reads the set that it is given
 * before it refuses a `how` that does not exist. So it fails with EFAULT or EINVAL, and changes nothing.
 * It needs no descriptor, works under every filter of system calls that lets a thread start, and in a
 * signal handler.
 */
#define _GNU_SOURCE
#include "readable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALLEST_PAGE = 4096, NO_SUCH_HOW = ~0, LASTING_PAGES = 1024 };

static _Atomic uintptr_t lasting_pages[LASTING_PAGES];

static bool is_readable(struct readable *readable, uintptr_t page)
{
    enum { COUNT = sizeof readable->pages / sizeof *readable->pages };

    _Atomic uintptr_t *lasting = &lasting_pages[page / SMALLEST_PAGE % LASTING_PAGES];

    if (!page) /* for the kernel, no set at all */
        return false;
    if (readable->lasting && atomic_load_explicit(lasting, memory_order_relaxed) == page)
        return true;
    for (unsigned index = 0; index < COUNT; index++)
        if (readable->pages[index] == page)
            return true;
    if (syscall(SYS_rt_sigprocmask, NO_SUCH_HOW, page, NULL, 8) == -1 && errno == EFAULT)
        return false;
    readable->pages[readable->next++ % COUNT] = page;
    if (readable->lasting)
        atomic_store_explicit(lasting, page, memory_order_relaxed);
    return true;
}

bool can_read(struct readable *readable, uintptr_t address, size_t length)
{
    uintptr_t last = address + length - 1;

    if (!length)
        return true;
    if (last < address)
        return false;
    for (uintptr_t page = address & ~(uintptr_t)(SMALLEST_PAGE - 1);; page += SMALLEST_PAGE) {
        if (!is_readable(readable, page))
            return false;
        if (last - page < SMALLEST_PAGE)
            return true;
    }
}

bool read_memory(struct readable *readable, uintptr_t address, void *to, size_t length)
{
    if (!can_read(readable, address, length))
        return false;
    memcpy(to, (const void *)address, length);
    return true;
}

/* Filters that keep debuggers out kill a process that calls process_vm_readv, even for its own memory. */
long open_memory(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
}

void close_memory(long memory)
{
    if (memory >= 0)
        syscall(SYS_close, memory);
}

size_t copy_passing_memory(long memory, uintptr_t address, void *to, size_t length)
{
    struct readable readable = { .lasting = false };
    size_t copied = 0;

    if (memory >= 0) {
        long count = syscall(SYS_pread64, memory, to, length, (long)address);

        return count > 0 ? (size_t)count : 0;
    }
    /* Without /proc or a free descriptor the memory may go between the question and the reading. */
    while (copied < length) {
        uintptr_t from = address + copied;
        size_t part = SMALLEST_PAGE - from % SMALLEST_PAGE;

        part = part < length - copied ? part : length - copied;
        if (!read_memory(&readable, from, (char *)to + copied, part))
            break;
        copied += part;
    }
    return copied;
}

bool read_pointer(struct readable *readable, uintptr_t address, uintptr_t *to)
{
    return read_memory(readable, address, to, sizeof *to);
}
