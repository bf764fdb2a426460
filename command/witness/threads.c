/*
 * Threads: their ids, which of those that created a context live when the process exits, and which began with
 * their creator's context.
 */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint32_t creators[MAXIMUM_CREATORS];
static _Atomic bool has_more_creators;

/* After a fork that did not go through libc, libc goes on giving this thread its parent's id. */
static _Atomic uint64_t stale_and_true;

/*
 * gettid is a system call, and a thread-local variable may need an allocation. libc knows the id: it
 * writes it into a mutex that is locked. This one is on the stack, so nothing waits for it.
 */
static uint32_t id_in_libc(void)
{
    pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    uint32_t id;

    pthread_mutex_lock(&mutex);
    id = (uint32_t)mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    /* Before glibc 2.34 a program without libpthread has a lock that does nothing. */
    return id ? id : (uint32_t)syscall(SYS_gettid);
}

uint32_t thread_id(void)
{
    uint32_t id = id_in_libc();
    uint64_t pair = atomic_load_explicit(&stale_and_true, memory_order_relaxed);

    return pair && (uint32_t)(pair >> 32) == id ? (uint32_t)pair : id;
}

void note_forked_thread(void)
{
    uint32_t stale = id_in_libc(), id = (uint32_t)syscall(SYS_gettid);

    atomic_store(&stale_and_true, stale == id ? 0 : (uint64_t)stale << 32 | id);
}

void note_creator(void)
{
    uint32_t id = thread_id();

    for (int index = 0; index < MAXIMUM_CREATORS; index++) {
        uint32_t found = 0;

        if (atomic_compare_exchange_strong(&creators[index], &found, id) || found == id)
            return;
    }
    atomic_store(&has_more_creators, true);
}

void forget_creators(void)
{
    for (int index = 0; index < MAXIMUM_CREATORS; index++)
        atomic_store(&creators[index], 0);
    atomic_store(&has_more_creators, false);
}

/* There is room for all of them and for one more, whose id is 0 if it is not known of all whether they live. */
uint32_t living_creators(struct trace_thread *threads)
{
    bool complete = !atomic_load(&has_more_creators);
    uint32_t count = 0;

    for (int index = 0; index < MAXIMUM_CREATORS; index++) {
        uint32_t id = atomic_load(&creators[index]);
        char path[64], *name = (char *)threads[count].name;
        size_t length;

        if (!id)
            break;
        snprintf(path, sizeof path, "/proc/self/task/%u/comm", id);
        errno = 0;
        length = read_file(path, name, sizeof threads->name - 1);
        if (!length) {
            complete = complete && (errno == ENOENT || errno == ESRCH);
            continue;
        }
        name[length - 1] = '\0'; /* in place of the line's end */
        threads[count++].tid = id;
    }
    if (!complete)
        threads[count++].tid = 0;
    return count;
}

/* Of threads/keep_threads.c. It has no address if that library is not preloaded. */
extern EXPORTED __attribute__((weak)) _Atomic(void (*)(CUdevice)) cuda_contexts_thread_started;

static void note_start(CUdevice device)
{
    int error = errno;
    struct trace_thread_start *record;

    enter_process();
    device_slot(device); /* the device's record comes first */
    record = reserve_record(TRACE_THREAD_START, sizeof *record, NULL);
    if (record)
        record->device = device;
    publish_record(record, TRACE_WRITTEN);
    errno = error;
}

void note_kept_threads(void)
{
    if (&cuda_contexts_thread_started)
        atomic_store(&cuda_contexts_thread_started, note_start);
}
