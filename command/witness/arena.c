/* The file that every traced process writes to: see events.h. */
#define _GNU_SOURCE
#include "witness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAXIMUM_PIECES = 4096 };

/*
 * The header as it was when the witness was loaded: the program may overwrite the file. Without an
 * arena nothing is denied and nothing has a stack.
 */
static struct trace_arena settings = { .stacks = TRACE_STACKS_NONE };

static struct trace_arena *arena;
static _Atomic(char *) pieces[MAXIMUM_PIECES];
static _Atomic uint32_t modules_without_arena = 1;

static _Atomic uint64_t *atomic_number(uint64_t *number)
{
    return (_Atomic uint64_t *)number;
}

static bool is_arena(const struct trace_arena *mapped, uint64_t length)
{
    return memcmp(mapped->magic, TRACE_ARENA_MAGIC, sizeof mapped->magic) == 0
        && mapped->layout == TRACE_LAYOUT && mapped->header_bytes == TRACE_HEADER_BYTES
        && mapped->capacity == length
        && length <= (uint64_t)MAXIMUM_PIECES * TRACE_PIECE_BYTES;
}

static char *map(long file)
{
    /* A long: the seventh argument is passed on the stack, where an int leaves its upper half undefined. */
    long mapped = syscall(SYS_mmap, NULL, (size_t)TRACE_PIECE_BYTES, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, file, 0L);

    return mapped == -1 ? NULL : (char *)mapped;
}

/* If it cannot be mapped, the program runs all the same, and is not traced. */
void open_arena(const char *path)
{
    long file = path && *path
                  ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY, 0)
                  : -1;
    long length = file < 0 ? -1 : syscall(SYS_lseek, file, 0L, SEEK_END);
    char *mapped = length >= TRACE_HEADER_BYTES ? map(file) : NULL;

    if (file >= 0)
        syscall(SYS_close, file);
    if (!mapped)
        return;
    if (is_arena((const struct trace_arena *)mapped, (uint64_t)length)) {
        memcpy(&settings, mapped, sizeof settings);
        settings.only[sizeof settings.only - 1] = 0;
        atomic_store(&pieces[0], mapped);
        arena = (struct trace_arena *)mapped;
    } else {
        syscall(SYS_munmap, mapped, (size_t)TRACE_PIECE_BYTES);
    }
}

bool has_arena(void)
{
    return arena;
}

const struct trace_arena *arena_settings(void)
{
    return &settings;
}

/* The coarse clock is memory of the kernel; the fine one is an instruction that seccomp may forbid. */
uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * A piece is mapped when it is first written to. An old length of 0 maps the same file once more: that
 * needs no descriptor and no path, which the program may have closed or left behind.
 */
static char *piece(uint64_t number)
{
    size_t before = (size_t)number * TRACE_PIECE_BYTES;
    char *mapped = atomic_load_explicit(&pieces[number], memory_order_acquire), *none = NULL;
    long all;

    if (mapped)
        return mapped;
    all = syscall(SYS_mremap, arena, (size_t)0, before + TRACE_PIECE_BYTES, MREMAP_MAYMOVE, 0);
    if (all == -1)
        return NULL;
    syscall(SYS_munmap, all, before);
    mapped = (char *)all + before;
    if (atomic_compare_exchange_strong(&pieces[number], &none, mapped))
        return mapped;
    syscall(SYS_munmap, mapped, (size_t)TRACE_PIECE_BYTES);
    return none;
}

/* The first word of a record, which says what the rest is. */
static uint64_t first_word(uint64_t length, enum trace_kind kind, enum trace_state state)
{
    struct trace_record record = { .length = (uint32_t)length,
                                   .kind = (uint16_t)kind,
                                   .state = (uint8_t)state,
                                   .magic = TRACE_RECORD_MAGIC };
    uint64_t word;

    memcpy(&word, &record, sizeof word);
    return word;
}

static void *at(uint64_t place)
{
    char *mapped = place < settings.capacity ? piece(place / TRACE_PIECE_BYTES) : NULL;

    return mapped ? mapped + place % TRACE_PIECE_BYTES : NULL;
}

/* The place of a new record; 0 if there is no room. Pieces are mapped before anything is reserved. */
static uint64_t reserve(size_t length)
{
    _Atomic uint64_t *position = atomic_number(&arena->position);
    uint64_t place = atomic_load_explicit(position, memory_order_relaxed), begin, next;
    _Atomic uint64_t *rest;

    do {
        uint64_t available =
            atomic_load_explicit(atomic_number(&arena->available), memory_order_acquire);

        next = (place / TRACE_PIECE_BYTES + 1) * TRACE_PIECE_BYTES;
        begin = place + length > next ? next : place;
        /* The program may have overwritten all of it. */
        if (place % 8 || place < TRACE_HEADER_BYTES || length > TRACE_PIECE_BYTES
            || place > settings.capacity || begin + length > available
            || begin + length > settings.capacity || !at(begin))
            return 0;
        rest = begin == place ? NULL : at(place);
        if (begin != place && !rest)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(position, &place, begin + length,
                                                    memory_order_relaxed, memory_order_relaxed));
    if (rest)
        atomic_store_explicit(rest, first_word(next - place, TRACE_SKIP, TRACE_WRITTEN),
                              memory_order_release);
    return begin;
}

void *reserve_record(enum trace_kind kind, size_t length, uint64_t *place)
{
    struct trace_record *record;
    uint64_t reserved;

    if (!arena)
        return NULL;
    length = (length + 7) & ~(size_t)7;
    reserved = reserve(length);
    if (!reserved) {
        atomic_fetch_add_explicit(atomic_number(&arena->lost), 1, memory_order_relaxed);
        return NULL;
    }
    record = at(reserved);
    atomic_store_explicit((_Atomic uint64_t *)record, first_word(length, kind, TRACE_RESERVED),
                          memory_order_relaxed);
    record->process = process_number();
    record->tid = thread_id();
    record->time = monotonic_ns();
    if (place)
        *place = reserved;
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

uint32_t next_module_id(void)
{
    _Atomic uint32_t *next =
        arena ? (_Atomic uint32_t *)&arena->next_module : &modules_without_arena;

    return atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
}

uint32_t next_process_number(void)
{
    return arena ? atomic_fetch_add_explicit((_Atomic uint32_t *)&arena->next_process, 1,
                                             memory_order_relaxed)
                 : 0;
}
