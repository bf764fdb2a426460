/* The process: when the witness comes into it, a fork, its end, and its rank. */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "witness.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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
    PAGE = 4096,
};

/*
 * A page that the kernel empties in a forked child, however it was forked. 1 in it: the same process. To
 * compare process ids costs a system call a record: this is done only without such a page (before Linux 4.14).
 */
static _Atomic int *fork_page;
static _Atomic pid_t known_pid;

/* Of this process: the number in the arena (0: not yet), its record, its cuInit, its exit. */
static _Atomic uint32_t number, forked_from;
static _Atomic bool noted, initialized, exited;

/* Read once, for a program may change its environment at any time. */
static _Atomic int32_t rank;

enum { NOT_BEGUN, BEGINNING, BEGUN };
static _Atomic int progress;

/* -1: no launcher's variable. */
static int32_t read_local_rank(void)
{
    for (int index = 0; index < LOCAL_RANK_COUNT; index++) {
        const char *value = getenv(local_ranks[index]);
        char *end;
        long found;

        if (!value || !*value)
            continue;
        found = strtol(value, &end, 10);
        return *end || found < 0 || found > INT32_MAX ? -1 : (int32_t)found;
    }
    return -1;
}

int32_t local_rank(void)
{
    return atomic_load(&rank);
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

/* The 22nd word of /proc/self/stat; the 2nd is in brackets and may hold anything. */
static uint64_t start_of_process(void)
{
    char text[512];
    size_t length = read_file("/proc/self/stat", text, sizeof text - 1);
    const char *at;

    text[length] = '\0';
    at = strrchr(text, ')');
    for (int field = 2; at && field < FIELD_OF_START; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* The parts are written where they belong: there may be little room on this stack. */
static void write_process_record(void)
{
    struct trace_process *record =
        reserve_record(TRACE_PROCESS,
                       sizeof *record + VARIABLES_KEPT + ARGUMENTS_KEPT + EXECUTABLE_KEPT, NULL);
    uint64_t device;
    char *text;

    if (!record)
        return;
    text = (char *)(record + 1);
    record->start = start_of_process();
    identify_file("/proc/self/ns/pid", &device, &record->pid_namespace);
    record->pid = (uint32_t)getpid();
    record->parent_pid = (uint32_t)getppid();
    record->forked_from = atomic_load(&forked_from);
    record->local_rank = local_rank();
    record->python = python_version();
    record->variables_length = copy_variables(text);
    text += record->variables_length;
    record->arguments_length = (uint32_t)read_file("/proc/self/cmdline", text, ARGUMENTS_KEPT);
    text += record->arguments_length;
    record->executable_length = (uint32_t)copy_program_path(text, EXECUTABLE_KEPT);
    publish_record(record, TRACE_WRITTEN);
}

static void make_fork_page(void)
{
    long page = syscall(SYS_mmap, NULL, (size_t)PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);

    if (page == -1)
        return;
    if (syscall(SYS_madvise, page, (size_t)PAGE, MADV_WIPEONFORK) == 0)
        fork_page = (_Atomic int *)page;
    else
        syscall(SYS_munmap, page, (size_t)PAGE);
}

uint32_t process_number(void)
{
    uint32_t none = 0, found = atomic_load(&number);

    if (found)
        return found;
    found = next_process_number();
    return atomic_compare_exchange_strong(&number, &none, found) ? found : none;
}

static void note_process(void)
{
    if (atomic_load_explicit(&noted, memory_order_acquire))
        return;
    /* Before others find the process noted, and ask which devices it may use. */
    atomic_store(&rank, read_local_rank());
    if (!atomic_exchange(&noted, true))
        write_process_record();
}

static void begin_tables(void)
{
    if (fork_page)
        atomic_store_explicit(fork_page, 1, memory_order_release);
    else
        atomic_store(&known_pid, getpid());
}

/* A child inherits files, not contexts. */
static void forget_parent(void)
{
    forget_holders();
    forget_contexts();
    forget_devices();
    forget_creators();
    note_forked_thread();
    if (atomic_load(&noted))
        atomic_store(&forked_from, atomic_load(&number));
    atomic_store(&number, 0);
    atomic_store(&initialized, false);
    atomic_store(&exited, false);
    atomic_store(&noted, false);
    begin_tables();
}

/* A fork that did not go through libc calls no handler; there is one thread in it then. */
void notice_fork(void)
{
    pid_t pid = atomic_load_explicit(&known_pid, memory_order_relaxed);

    if (fork_page ? !atomic_load_explicit(fork_page, memory_order_relaxed) : pid && pid != getpid())
        forget_parent();
}

void enter_process(void)
{
    begin_process();
    notice_fork();
    /* Another thread may still be in begin_process, and will note it. */
    if (atomic_load_explicit(&progress, memory_order_acquire) == BEGUN)
        note_process();
}

/* A number for a value that is compared with itself later; 0: not set. */
static uint64_t visible_devices(void)
{
    const char *value = getenv("CUDA_VISIBLE_DEVICES");
    uint64_t hash = value != NULL;

    for (; value && *value; value++)
        hash = mix(hash, (unsigned char)*value);
    return hash;
}

static _Atomic uint64_t visible_at_init;

void note_successful_init(void)
{
    if (atomic_exchange(&initialized, true))
        return;
    atomic_store(&visible_at_init, visible_devices());
}

bool has_visible_changed(void)
{
    return atomic_load(&initialized) && visible_devices() != atomic_load(&visible_at_init);
}

bool is_initialized(void)
{
    return atomic_load(&initialized);
}

bool is_forked_child(void)
{
    return atomic_load(&forked_from);
}

bool has_exited(void)
{
    return atomic_load(&exited);
}

/*
 * At exit, before the driver's own handlers, which were there before this one. Libraries release from
 * their destructors, which come later. A forked child that never used the driver has no record.
 */
static void end(void)
{
    int error = errno;
    struct trace_exit *record;

    notice_fork();
    if (!atomic_load(&noted))
        return;
    look_for_bypass();
    record = reserve_record(TRACE_EXIT,
                            sizeof *record + (MAXIMUM_CREATORS + 1) * sizeof(struct trace_thread), NULL);
    if (record)
        record->thread_count = living_creators((struct trace_thread *)(record + 1));
    publish_record(record, TRACE_WRITTEN);
    atomic_store(&exited, true);
    errno = error;
}

static bool look_at(const struct loaded_object *object, void *data)
{
    (void)data;
    look_for_python(object);
    return false;
}

/*
 * When the library is loaded, or when a constructor calls the driver before that: it happens in the
 * order of dependencies, which a plugin may not have.
 */
void begin_process(void)
{
    int error = errno, before = NOT_BEGUN;

    if (atomic_load_explicit(&progress, memory_order_acquire) == BEGUN)
        return;
    if (!atomic_compare_exchange_strong(&progress, &before, BEGINNING)) {
        find_driver(); /* another thread is already doing this */
        return;
    }
    make_fork_page();
    begin_tables();
    find_loader_functions();
    note_program();
    open_arena(getenv(TRACE_ARENA_VARIABLE));
    find_driver();
    if (!has_arena())
        note_missing_arena();
    each_loaded_object(look_at, NULL);
    note_kept_threads();
    pthread_atfork(NULL, NULL, forget_parent);
    atexit(end);
    atomic_store_explicit(&progress, BEGUN, memory_order_release);
    note_process();
    look_for_bypass();
    errno = error;
}

__attribute__((constructor)) static void begin(void)
{
    begin_process();
}
