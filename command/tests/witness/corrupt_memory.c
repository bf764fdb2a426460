/*
 * What the witness reads of other code's memory, full of what is wrong: Python's structures whose
 * offsets lie, pointers that lead nowhere or in circles, lengths beyond everything; and the tables of
 * a loaded library with bytes changed. Nothing may crash, and nothing may go on for ever. The seed is
 * the first argument, the number of rounds the second one.
 */
#define _GNU_SOURCE
#include "../../witness/loaded_object.h"
#include "../../witness/python.h"
#include "../../witness/readable.h"
#include "../../witness/witness.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 32 * 1024, PAGE = 4096, LONGEST_RECORD = 2048 };

static uint64_t state, noted, found;
static char *memory;

/* In place of the arena's: they see every line that is read. */
static uint64_t record[LONGEST_RECORD / sizeof(uint64_t)];

void *reserve_record(enum trace_kind kind, size_t length, uint64_t *place)
{
    (void)kind;
    (void)place;
    if (length > sizeof record)
        abort();
    return record;
}

void publish_record(void *written, enum trace_state to)
{
    const struct trace_python *line = written;

    (void)to;
    noted++;
    if (line->index >= TRACE_MAXIMUM_PYTHON_LINES || line->file_length > LONGEST_PYTHON_FILE
        || line->function_length > LONGEST_PYTHON_FUNCTION)
        abort();
}

/* With pages before and behind it that cannot be read. */
static char *map(size_t length)
{
    char *mapped = mmap(NULL, length + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapped == MAP_FAILED || mprotect(mapped + PAGE, length, PROT_READ | PROT_WRITE) != 0)
        exit(2);
    return mapped + PAGE;
}

static uint64_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 29;
}

static uint64_t pointer(void)
{
    switch (next() % 8) {
    case 0:
        return next() << 20 | next();
    case 1:
        return 0;
    case 2:
        return (uint64_t)(uintptr_t)memory + MEMORY - next() % 64; /* over the end */
    default:
        return (uint64_t)(uintptr_t)memory + (next() % MEMORY & ~7u);
    }
}

static uint64_t offset(void)
{
    return next() % 16 ? next() % 32 * 8 : next() << 30 | next();
}

/* Code objects are known by their type: here every third object may be one. */
static uintptr_t fill(void)
{
    uint64_t *words = (uint64_t *)memory;

    for (size_t at = 0; at < MEMORY / sizeof *words; at++)
        words[at] = next() % 4 ? pointer() : next() % 3 ? next() % 100 : next() << 35 | next();
    for (size_t at = 1; at < MEMORY / sizeof *words; at += 1 + next() % 3)
        words[at] = words[0];
    return words[0];
}

static void round_of_frames(uint32_t version, uintptr_t code_type)
{
    static uint64_t runtime[200]; /* longer than any table */
    struct python python = { .version = version, .runtime = (uintptr_t)runtime, .code_type = code_type };

    for (size_t at = 0; at < sizeof runtime / sizeof *runtime; at++)
        runtime[at] = offset();
    memcpy(runtime, "xdebugpy", 8);
    runtime[1] = version;
    runtime[2] = next() % 2;
    (void)walk_python_frames(8, &python, pointer());
}

static bool is_library(const struct loaded_object *object, void *data)
{
    if (!strstr(object->name, "libdl.so") && !strstr(object->name, "libm.so"))
        return false;
    *(struct loaded_object *)data = *object;
    return true;
}

/* A copy of a library's memory between pages that cannot be read, with some bytes changed. */
static void rounds_of_symbols(long rounds)
{
    struct loaded_object object = { .mapping.end = 0 };
    uintptr_t start;
    size_t length;
    char *copy, *clean;

    dlopen("libm.so.6", RTLD_NOW);
    each_loaded_object(is_library, &object);
    if (!object.mapping.end)
        exit(3);
    start = object.mapping.start;
    length = object.mapping.end - start;
    copy = map((length + PAGE - 1) & ~(size_t)(PAGE - 1));
    clean = malloc(length);
    /* What lies between the segments of a library may not be readable. */
    for (size_t at = 0; at < length; at += PAGE) {
        struct readable readable = { .lasting = false };
        size_t part = length - at < PAGE ? length - at : PAGE;

        if (!read_memory(&readable, start + at, clean + at, part))
            memset(clean + at, 0, part);
    }
    for (long round = 0; round < rounds; round++) {
        struct loaded_object changed = { .mapping = { (uintptr_t)copy, (uintptr_t)copy + length, NULL },
                                         .bias = (uintptr_t)copy - start + object.bias };
        size_t dynamic = (uintptr_t)object.dynamic - start;

        if (round % 16 == 0)
            memcpy(copy, clean, length);
        changed.dynamic = (const ElfW(Dyn) *)(copy + dynamic);
        /* As the loader does, but for the addresses that are changed. */
        for (ElfW(Dyn) *entry = (ElfW(Dyn) *)(copy + dynamic); round % 16 == 0 && entry->d_tag; entry++)
            if (entry->d_un.d_ptr >= start && entry->d_un.d_ptr < object.mapping.end)
                entry->d_un.d_ptr += (uintptr_t)copy - start;
        found += symbol_of_object(&changed, "cos") != 0;
        for (int change = 0; change < 8; change++) {
            size_t at = next() % 4 ? next() % (64 * 1024) : dynamic + next() % 512;

            copy[at % length] = (char)(next() % 2 ? next() : 0xff);
        }
        found += symbol_of_object(&changed, "cos") != 0;
    }
}

/* Of a library that another thread unloads: any part of it may be gone, and what the loader said of it. */
static void rounds_of_unloading(long rounds)
{
    char *copy = map(MEMORY);
    struct mapping mapping = { (uintptr_t)copy, (uintptr_t)copy + MEMORY, NULL, 0 };
    long memory = open_memory();

    for (long round = 0; round < rounds; round++) {
        struct loaded_object described, object = { mapping, 0, copy + next() % (MEMORY - PAGE), NULL, .may_go = true,
                                                   .memory = round % 2 ? memory : -1 };
        uintptr_t gone = (uintptr_t)copy + next() % MEMORY / PAGE * PAGE;
        uintptr_t name = (uintptr_t)object.name;
        uintptr_t there = gone == mapping.start ? gone + PAGE : gone - PAGE;
        char part[128];
        size_t named;

        memset(copy, 'a', MEMORY);
        object.dynamic = (const ElfW(Dyn) *)(copy + next() % MEMORY);
        munmap((void *)gone, PAGE);
        mapping.map = (const struct link_map *)(copy + next() % MEMORY);
        if (describe_mapping(&mapping, &described) || symbol_of_object(&object, "cos"))
            abort(); /* there is no such object */
        /* It has no end: all that can be read belongs to it. */
        if (copy_object_name(&object, 0, part, sizeof part, &named)
            != (gone + PAGE <= name || gone >= name + sizeof part))
            abort();
        if (read_object(&object, gone, part, 1) || !read_object(&object, there, part, 1))
            abort();
        mmap((void *)gone, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
}

static void *wait_for_ever(void *unused)
{
    pause();
    return unused;
}

int main(int count, char **arguments)
{
    long rounds = count > 2 ? atol(arguments[2]) : 1000;
    pthread_t thread;

    memory = map(MEMORY);
    state = count > 1 ? (uint64_t)atol(arguments[1]) : 1;
    for (long round = 0; round < rounds; round++) {
        uintptr_t code_type = fill();

        for (uint32_t minor = 11; minor <= 14; minor++)
            round_of_frames(0x030000f0 | minor << 16, code_type);
    }
    rounds_of_symbols(rounds);
    pthread_create(&thread, NULL, wait_for_ever, NULL); /* without another thread nothing is unloaded */
    rounds_of_unloading(rounds);
    printf("%llu %llu\n", (unsigned long long)noted, (unsigned long long)found);
    return 0;
}
