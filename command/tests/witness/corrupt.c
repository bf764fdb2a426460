/*
 * The readers of Python's structures on memory that is none: tables whose offsets lie, pointers that
 * lead nowhere or in circles, lengths beyond everything. Nothing may crash, and nothing may go on for
 * ever. The seed is the first argument, the number of rounds the second one.
 */
#define _GNU_SOURCE
#include "../../witness/python_offsets.h"
#include "../../witness/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MEMORY = 32 * 1024, PAGE = 4096 };

static uint64_t state, noted, complete;
static char *memory; /* with pages behind and before it that cannot be read */

void note_python_frame(uint64_t call, uint32_t index, int32_t line, const char *file,
                       size_t file_length, const char *function, size_t function_length)
{
    (void)call;
    (void)line;
    noted++;
    if (index >= TRACE_MAXIMUM_PYTHON_FRAMES || file_length > LONGEST_PYTHON_FILE
        || function_length > LONGEST_PYTHON_FUNCTION)
        abort();
    for (size_t at = 0; at < file_length; at++)
        state += (unsigned char)file[at];
    for (size_t at = 0; at < function_length; at++)
        state += (unsigned char)function[at];
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

static void fill(void)
{
    uint64_t *words = (uint64_t *)memory;

    for (size_t at = 0; at < MEMORY / sizeof *words; at++)
        words[at] = next() % 4 ? pointer() : next() % 3 ? next() % 100 : next() << 35 | next();
}

/* The objects are known by their types: here all have one of few. */
static struct python_types types_here(void)
{
    uint64_t *words = (uint64_t *)memory;
    struct python_types types = { .code = words[0], .frame = words[0], .text = words[0],
                                  .bytes = words[0] };

    for (size_t at = 1; at < MEMORY / sizeof *words; at += 1 + next() % 3)
        words[at] = words[0];
    return types;
}

static void round_new(uint32_t version)
{
    static uint64_t runtime[sizeof(struct python_3_14) / sizeof(uint64_t)];
    struct python_types types;

    for (size_t at = 0; at < sizeof runtime / sizeof *runtime; at++)
        runtime[at] = offset();
    memcpy(runtime, "xdebugpy", 8);
    runtime[1] = version;
    runtime[2] = next() % 2;
    types = types_here();
    complete += walk_python_frames(8, runtime, &types, (void *)pointer());
}

static void round_old(uint32_t version)
{
    struct python_types types = types_here();

    complete += walk_old_python_frames(8, version, &types, (void *)pointer());
}

static void round_lines(void)
{
    size_t length = next() % 200;

    (void)python_line((const uint8_t *)memory + MEMORY - length, length, (int32_t)next(),
                      (int64_t)(next() % 500) - 50);
}

int main(int count, char **arguments)
{
    char *mapped = mmap(NULL, MEMORY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long rounds = count > 2 ? atol(arguments[2]) : 1000;

    memory = mapped + PAGE;
    if (mapped == MAP_FAILED || mprotect(memory, MEMORY, PROT_READ | PROT_WRITE) != 0)
        return 2;
    state = count > 1 ? (uint64_t)atol(arguments[1]) : 1;
    for (long round = 0; round < rounds; round++) {
        fill();
        round_new(0x030d00f0);
        round_new(0x030e00f0);
        round_old(0x030900f0);
        round_old(0x030a00f0);
        round_lines();
    }
    printf("%llu frames, %llu complete\n", (unsigned long long)noted, (unsigned long long)complete);
    return 0;
}
