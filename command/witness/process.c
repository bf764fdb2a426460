/* The process: when the witness comes into it, a fork, its end, and its rank. */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VARIABLES_KEPT = 2048, ARGUMENTS_KEPT = 4096, EXECUTABLE_KEPT = 1024, FIELD_OF_START = 22 };

/* What launchers set, and what decides which devices there are. */
static const char *const local_ranks[] = { TRACE_LOCAL_RANKS };
static const char *const variables[] = {
    TRACE_LOCAL_RANKS,
    "RANK",
    "CUDA_VISIBLE_DEVICES",
};
enum {
    LOCAL_RANK_COUNT = sizeof local_ranks / sizeof *local_ranks,
    VARIABLE_COUNT = sizeof variables / sizeof *variables,
};

/* This process's pid. A page that the kernel empties in a forked child, however it was forked. */
static _Atomic int *pid_page;

/* The pids that the witness was loaded in, that the tables are about, and that have their record, their
 * cuInit, their exit. */
static _Atomic int loaded_in, owner, noted, initialized, exited;

/* What `--only` means by a number: read once, for a program may change its environment at any time. */
static _Atomic int32_t meant;

/* -1: no launcher's variable. */
static int local_rank(void)
{
    for (int index = 0; index < LOCAL_RANK_COUNT; index++) {
        const char *value = getenv(local_ranks[index]);
        char *end;
        long rank;

        if (!value || !*value)
            continue;
        rank = strtol(value, &end, 10);
        return *end || rank < 0 || rank > INT32_MAX ? -1 : (int)rank;
    }
    return -1;
}

static uint32_t copy_variables(char *to)
{
    size_t used = 0;

    for (int index = 0; index < VARIABLE_COUNT; index++) {
        const char *value = getenv(variables[index]);
        size_t name_length = strlen(variables[index]);
        size_t length = value ? strlen(value) : 0;

        if (!value || used + name_length + length + 2 > VARIABLES_KEPT)
            continue;
        memcpy(to + used, variables[index], name_length);
        to[used + name_length] = '=';
        memcpy(to + used + name_length + 1, value, length + 1);
        used += name_length + length + 2;
    }
    return (uint32_t)used;
}

/* As much of a file as fits. */
static size_t read_file(const char *path, char *to, size_t capacity)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;

    while (file >= 0 && used < capacity) {
        ssize_t length = read(file, to + used, capacity - used);

        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            break;
        used += (size_t)length;
    }
    if (file >= 0)
        close(file);
    return used;
}

/* The 22nd word of /proc/self/stat; the 2nd is in brackets and may hold anything. */
static uint64_t start_of_process(void)
{
    char text[1024];
    size_t length = read_file("/proc/self/stat", text, sizeof text - 1);
    const char *at;

    text[length] = '\0';
    at = strrchr(text, ')');
    for (int field = 2; at && field < FIELD_OF_START; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static int32_t read_meant_ordinal(void)
{
    const char *only = arena_settings()->only;
    char *end;
    long ordinal;

    if (strcmp(only, "local-rank") == 0)
        return local_rank();
    ordinal = strtol(only, &end, 10);
    return !*only || *end || ordinal < 0 || ordinal > INT32_MAX ? -1 : (int32_t)ordinal;
}

int32_t meant_ordinal(void)
{
    return atomic_load(&meant);
}

/* The parts are written where they belong: there may be little room on this stack. */
static void write_process_record(bool forked)
{
    struct trace_process *record =
        reserve_record(TRACE_PROCESS, sizeof *record + VARIABLES_KEPT + ARGUMENTS_KEPT
                                          + EXECUTABLE_KEPT);
    char *text;
    ssize_t length;

    if (!record)
        return;
    text = (char *)(record + 1);
    record->parent = (uint32_t)getppid();
    record->forked = forked;
    record->start = start_of_process();
    record->meant_ordinal = meant_ordinal();
    record->python = python_version();
    record->variables_length = copy_variables(text);
    text += record->variables_length;
    record->arguments_length = (uint32_t)read_file("/proc/self/cmdline", text, ARGUMENTS_KEPT);
    text += record->arguments_length;
    length = readlink("/proc/self/exe", text, EXECUTABLE_KEPT);
    record->executable_length = length > 0 ? (uint32_t)length : 0;
    publish_record(record, TRACE_WRITTEN);
}

static void make_pid_page(void)
{
    long size = sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, (size_t)size, MADV_WIPEONFORK) == 0)
        pid_page = page;
    else
        munmap(page, (size_t)size);
}

/* getpid is a system call; before Linux 4.14 there is nothing else. */
int process_id(void)
{
    int pid = pid_page ? atomic_load_explicit(pid_page, memory_order_acquire) : 0;

    return pid ? pid : getpid();
}

void note_process(void)
{
    int pid = process_id(), before = atomic_load(&noted);

    if (before == pid)
        return;
    /* Before others find the process noted, and ask what is meant: in a child it was the parent's. */
    atomic_store(&meant, read_meant_ordinal());
    if (atomic_compare_exchange_strong(&noted, &before, pid))
        write_process_record(is_forked_child());
}

/* A child inherits files, not contexts. */
static void forget_parent(void)
{
    forget_holders();
    forget_contexts();
    forget_devices();
    atomic_store(&initialized, 0);
    atomic_store(&owner, getpid());
    if (pid_page)
        atomic_store_explicit(pid_page, getpid(), memory_order_release);
}

/* A fork that did not go through libc calls no handler; there is one thread in it then. */
void notice_fork(void)
{
    bool same = pid_page ? atomic_load_explicit(pid_page, memory_order_relaxed) != 0
                         : atomic_load_explicit(&owner, memory_order_relaxed) == getpid();

    if (!same)
        forget_parent();
}

void enter_process(void)
{
    notice_fork();
    note_process();
}

void note_successful_init(void)
{
    atomic_store(&initialized, process_id());
}

bool is_initialized(void)
{
    return atomic_load(&initialized) == process_id();
}

bool is_forked_child(void)
{
    return atomic_load(&loaded_in) != process_id();
}

bool has_exited(void)
{
    return atomic_load(&exited) == process_id();
}

/*
 * At exit, before the driver's own handlers, which were there before this one. Libraries release from
 * their destructors, which come later.
 */
static void end(void)
{
    int error = errno, pid = process_id();

    /* A forked child that never used the driver has nothing to say. */
    if (atomic_load(&noted) == pid) {
        look_for_bypass();
        publish_record(reserve_record(TRACE_EXIT, sizeof(struct trace_exit)), TRACE_WRITTEN);
        atomic_store(&exited, pid);
    }
    errno = error;
}

/* The loader runs it before the driver is used, and after the driver's own constructors. */
__attribute__((constructor)) static void begin(void)
{
    int error = errno;

    make_pid_page();
    forget_parent();
    atomic_store(&loaded_in, process_id());
    find_loader_functions();
    note_program();
    open_arena();
    find_driver();
    look_for_python();
    pthread_atfork(NULL, NULL, forget_parent);
    atexit(end);
    note_process();
    look_for_bypass();
    errno = error;
}
