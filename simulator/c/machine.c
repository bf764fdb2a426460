/* The machine that processes share: its file, its lock, and the place of each process in it. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAXIMUM_TARGETS = 128, MADE = 0x4d414348 };

struct machine {
    uint32_t made; /* stored last by the process that makes it */
    pthread_mutex_t lock;
    struct target targets[MAXIMUM_TARGETS];
};

static struct machine *machine;

void nap(long microseconds)
{
    struct timespec duration = { .tv_sec = microseconds / 1000000,
                                 .tv_nsec = microseconds % 1000000 * 1000 };

    while (nanosleep(&duration, &duration) != 0) {
    }
}

static bool make(struct machine *made)
{
    pthread_mutexattr_t attributes;
    bool well;

    if (made->made == MADE)
        return true;
    if (pthread_mutexattr_init(&attributes))
        return false;
    well = !pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED)
           && !pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST)
           && !pthread_mutex_init(&made->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (well)
        made->made = MADE;
    return well;
}

static struct machine *map(int file)
{
    int flags = MAP_SHARED | MAP_NORESERVE | (file == -1 ? MAP_ANONYMOUS : 0);
    struct machine *mapped =
        mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, flags, file, 0);

    if (mapped == MAP_FAILED)
        return NULL;
    if (make(mapped))
        return mapped;
    munmap(mapped, sizeof *mapped);
    return NULL;
}

/* The first process makes the file. The others wait, and finish it if that process was killed. */
bool join_machine(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct machine *joined = NULL;
    struct stat status;

    if (file == -1)
        return false;
    if (!flock(file, LOCK_EX) && !fstat(file, &status)) {
        if (status.st_size == 0 && ftruncate(file, sizeof *machine))
            status.st_size = -1;
        else if (status.st_size != 0 && status.st_size != sizeof *machine)
            errno = EINVAL; /* some other file */
        else
            joined = map(file);
        flock(file, LOCK_UN); /* closing is not enough: the mapping keeps the file open */
    }
    close(file);
    if (!joined)
        return false;
    machine = joined;
    driver.shares_machine = true;
    driver.watched |= MAY_BE_LOCKED;
    return true;
}

/* Before cuInit, and under the driver's lock: nobody here is at work in it. Another copy of the library, or
   another process, has a mapping of its own. */
void forget_machine(void)
{
    if (machine) {
        process_page->target = NULL; /* a place in it, of a cuInit that failed, say */
        munmap(machine, sizeof *machine);
    }
    machine = NULL;
    driver.shares_machine = false;
    driver.watched &= ~MAY_BE_LOCKED;
}

static bool lock_machine(void)
{
    int result;

    if (!machine)
        machine = map(-1);
    if (!machine)
        return false;
    result = pthread_mutex_lock(&machine->lock);
    /* Somebody was killed in the middle of a step: it was taken, or not. */
    if (result == EOWNERDEAD)
        result = pthread_mutex_consistent(&machine->lock);
    return result == 0;
}

static void unlock_machine(void)
{
    pthread_mutex_unlock(&machine->lock);
}

/* When a process started; false where there is none, or a dead one that is only waited for. */
static bool start_of(int pid, uint64_t *started)
{
    char path[64];
    char text[1024];
    const char *field;
    size_t length;
    FILE *file;

    /* The main thread's, which is the process's: QEMU makes up /proc/PID/stat for its own process, with
       the parent's time in a forked child. */
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
    file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file)
        return false;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    field = strrchr(text, ')'); /* the second field, which may hold anything */
    if (!field || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X')
        return false;
    for (int number = 2; field && number < 22; number++)
        field = strchr(field + 1, ' ');
    return field && sscanf(field, "%lu", started) == 1;
}

/* 0 where the kernel does not say. */
static uint64_t pid_namespace_of(int pid)
{
    char path[64];
    struct stat status;

    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    return stat(path, &status) ? 0 : (uint64_t)status.st_ino;
}

/* The id that a process has itself, which is another one in a PID namespace below this process's. */
static int own_id_of(int pid)
{
    char path[64];
    char line[256];
    int id = pid;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *last = strrchr(line, '\t');

        if (!strncmp(line, "NSpid:", 6) && last)
            id = atoi(last + 1);
    }
    if (file)
        fclose(file);
    return id;
}

/* Processes of other PID namespaces cannot be looked up from here, and count as alive. */
static bool is_alive(const struct target *target)
{
    uint64_t started;

    if (target->pid_namespace != pid_namespace_of((int)getpid()))
        return true;
    return start_of(target->pid, &started) && started == target->started;
}

static struct target *find(int own_id, uint64_t started, uint64_t pid_namespace)
{
    for (int index = 0; index < MAXIMUM_TARGETS; index++) {
        struct target *target = &machine->targets[index];

        if (target->pid == own_id && target->started == started
            && target->pid_namespace == pid_namespace)
            return target;
    }
    return NULL;
}

/* At its end a process loses its namespaces before /proc calls it dead. */
static bool has_ended(int pid)
{
    uint64_t started;

    errno = 0;
    return !start_of(pid, &started)
           || (!pid_namespace_of(pid) && errno == ENOENT && pid_namespace_of((int)getpid()));
}

CUresult with_target(int pid, target_action *action, void *data)
{
    struct target *target;
    uint64_t started;
    CUresult result;

    if (!start_of(pid, &started))
        return CUDA_ERROR_OPERATING_SYSTEM;
    if (!lock_machine())
        return CUDA_ERROR_OUT_OF_MEMORY;
    target = find(own_id_of(pid), started, pid_namespace_of(pid));
    if (target)
        result = action(target, data);
    else
        result = has_ended(pid) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_ERROR_NOT_INITIALIZED;
    unlock_machine();
    return result;
}

/* A place that is free, or whose process is dead. */
static struct target *free_place(void)
{
    for (int index = 0; index < MAXIMUM_TARGETS; index++) {
        struct target *target = &machine->targets[index];

        if (!target->pid || !is_alive(target))
            return target;
    }
    return NULL;
}

/* Called by cuInit. A process that has replaced itself by exec takes the place that it had. */
bool register_process(void)
{
    int32_t pid = (int32_t)getpid();
    uint64_t pid_namespace = pid_namespace_of(pid);
    struct target *place;
    uint64_t started;

    if (!start_of(pid, &started) || !lock_machine())
        return false;
    place = find(pid, started, pid_namespace);
    if (!place)
        place = free_place();
    if (place) {
        place->pid = 0;
        place->started = started;
        place->pid_namespace = pid_namespace;
        place->state = RUNNING;
        place->calls = 0;
        place->lost = place->busy = place->managed_memory = place->lock_milliseconds = 0;
        place->share_count = 0;
        place->pid = pid;
        process_page->target = place;
    }
    unlock_machine();
    return place != NULL;
}

void unregister_process(void)
{
    struct target *own = process_page->target;

    process_page->target = NULL;
    if (own && lock_machine()) {
        own->pid = 0;
        unlock_machine();
    }
}

/* Under the driver's lock. */
void publish_own_memory(void)
{
    struct target *own = process_page->target;

    if (!own)
        return;
    for (uint32_t ordinal = 0; ordinal < driver.device_count; ordinal++) {
        const struct device *device = &driver.devices[ordinal];

        for (uint32_t next = own->share_count; next <= device->physical; next++) {
            own->shares[next] = (struct share){ .gpu = next, .checkpointed_on = next };
            own->share_count = next + 1;
        }
        own->shares[device->physical].bytes = device->used_bytes;
    }
}

uint64_t bytes_on(const struct target *target, uint32_t physical)
{
    bool checkpointed = target->state == CHECKPOINTED;
    uint64_t bytes = 0;

    for (uint32_t index = 0; index < target->share_count; index++) {
        const struct share *share = &target->shares[index];

        if (share->bytes && (checkpointed ? share->checkpointed_on : share->gpu) == physical)
            bytes += share->bytes;
    }
    return bytes;
}

uint64_t free_on_machine(uint32_t physical, const struct target *without)
{
    uint64_t left = knob(device_bytes);

    for (int index = 0; index < MAXIMUM_TARGETS; index++) {
        const struct target *target = &machine->targets[index];
        uint64_t bytes;

        if (!target->pid || target == without || target->state == CHECKPOINTED)
            continue;
        bytes = bytes_on(target, physical);
        if (bytes && is_alive(target))
            left -= bytes < left ? bytes : left;
    }
    return left;
}

uint64_t free_for_all(uint32_t physical)
{
    uint64_t left;

    publish_own_memory();
    if (!lock_machine())
        return 0;
    left = free_on_machine(physical, NULL);
    unlock_machine();
    return left;
}

/* Counts a call under way, once the process runs. The lock of the driver is not held. */
void enter_call(void)
{
    struct target *own;

    while ((own = process_page->target)) { /* the end of the process may come meanwhile */
        atomic_fetch_add(&own->calls, 1);
        if (own->state == RUNNING)
            return;
        atomic_fetch_sub(&own->calls, 1);
        nap(500);
    }
}

/* Under the driver's lock. */
void leave_call(void)
{
    struct target *own = process_page->target;

    if (!own)
        return;
    if (driver.shares_machine)
        publish_own_memory();
    atomic_fetch_sub(&own->calls, 1);
}
