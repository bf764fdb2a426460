/* The file that every traced process writes to: see events.h. */
#define _GNU_SOURCE
#include "witness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct trace_arena) <= TRACE_HEADER_BYTES, "room for it");
_Static_assert(offsetof(struct trace_arena, only) == 56, "as events.h says");
_Static_assert(sizeof(struct trace_record) == 24, "as events.h says");
_Static_assert(sizeof(struct trace_process) == 64, "as events.h says");
_Static_assert(sizeof(struct trace_module) == 32, "as events.h says");
_Static_assert(sizeof(struct trace_device) == 56, "as events.h says");
_Static_assert(sizeof(struct trace_call) == 88, "as events.h says");
_Static_assert(sizeof(struct trace_frame) == 16, "as events.h says");
_Static_assert(sizeof(struct trace_python_frame) == 48, "as events.h says");
_Static_assert(sizeof(struct trace_bypass) == 32, "as events.h says");

/* In place of an arena that cannot be had. */
static const struct trace_arena no_arena = { .stack = TRACE_STACK_NONE };

static struct trace_arena *arena;
static _Atomic uint32_t modules_without_arena = 1;

static _Atomic uint64_t *atomic_number(uint64_t *number)
{
    return (_Atomic uint64_t *)number;
}

static bool is_arena(const struct trace_arena *mapped, uint64_t length)
{
    return memcmp(mapped->magic, TRACE_ARENA_MAGIC, sizeof mapped->magic) == 0
        && mapped->layout == TRACE_LAYOUT && mapped->header_bytes == TRACE_HEADER_BYTES
        && mapped->capacity == length;
}

/* Where it cannot be mapped, the program runs all the same, and is not traced. */
void open_arena(void)
{
    const char *path = getenv(TRACE_ARENA_VARIABLE);
    int file = path && *path ? open(path, O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
    off_t length = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    void *mapped = MAP_FAILED;

    if (length >= TRACE_HEADER_BYTES)
        mapped = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      file, 0);
    if (file >= 0)
        close(file);
    if (mapped == MAP_FAILED)
        return;
    if (is_arena(mapped, (uint64_t)length))
        arena = mapped;
    else
        munmap(mapped, (size_t)length);
}

const struct trace_arena *arena_settings(void)
{
    return arena ? arena : &no_arena;
}

uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The first word of a record, which says what the rest is. */
static uint64_t first_word(uint32_t length, enum trace_kind kind, enum trace_state state)
{
    struct trace_record record = { .length = length,
                                   .kind = (uint16_t)kind,
                                   .state = (uint8_t)state,
                                   .magic = TRACE_RECORD_MAGIC };
    uint64_t word;

    memcpy(&word, &record, sizeof word);
    return word;
}

/* The place of a new record; 0 where there is no room, which is counted. */
static uint64_t reserve(size_t length)
{
    _Atomic uint64_t *position = atomic_number(&arena->position);
    uint64_t place = atomic_load_explicit(position, memory_order_relaxed);

    do {
        if (place + length
            > atomic_load_explicit(atomic_number(&arena->available), memory_order_acquire)) {
            atomic_fetch_add_explicit(atomic_number(&arena->lost), 1, memory_order_relaxed);
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(position, &place, place + length,
                                                    memory_order_relaxed, memory_order_relaxed));
    return place;
}

void *reserve_record(enum trace_kind kind, size_t length)
{
    struct trace_record *record;
    uint64_t place;

    if (!arena)
        return NULL;
    length = (length + 7) & ~(size_t)7;
    place = reserve(length);
    if (!place)
        return NULL;
    record = (struct trace_record *)((char *)arena + place);
    atomic_store_explicit((_Atomic uint64_t *)record,
                          first_word((uint32_t)length, kind, TRACE_RESERVED), memory_order_relaxed);
    record->pid = (uint32_t)process_id();
    record->tid = (uint32_t)syscall(SYS_gettid);
    record->time = monotonic_ns();
    return record;
}

void publish_record(void *written, enum trace_state state)
{
    struct trace_record *record = written;

    if (record)
        atomic_store_explicit((_Atomic uint64_t *)record,
                              first_word(record->length, record->kind, state),
                              memory_order_release);
}

uint64_t place_of_record(const void *record)
{
    return record ? (uint64_t)((const char *)record - (const char *)arena) : 0;
}

uint32_t next_module_id(void)
{
    _Atomic uint32_t *next =
        arena ? (_Atomic uint32_t *)&arena->next_module : &modules_without_arena;

    return atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
}
