/*
 * The unwinder on stacks that are none: registers that point anywhere, program counters at any place of
 * any file that is loaded, and at none. Nothing may crash. The seed is the first argument, the number
 * of rounds the second one.
 */
#define _GNU_SOURCE
#include "../../witness/loaded_object.h"
#include "../../witness/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MEMORY = 64 * 1024, PAGE = 4096, DEEPEST = 64, MAXIMUM_CODES = 64 };

static uint64_t state;
static char *memory;
static struct {
    uintptr_t start, length;
} codes[MAXIMUM_CODES];
static int code_count;

static uint64_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 29;
}

static int note_code(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    for (int index = 0; index < info->dlpi_phnum && code_count < MAXIMUM_CODES; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            codes[code_count].start = info->dlpi_addr + segment->p_vaddr;
            codes[code_count++].length = segment->p_memsz;
        }
    }
    return 0;
}

static uint64_t code(void)
{
    int which = (int)(next() % (uint64_t)code_count);

    return codes[which].start + next() % codes[which].length;
}

static uint64_t value(void)
{
    switch (next() % 6) {
    case 0:
        return next() << 30 | next();
    case 1:
        return code();
    case 2:
        return (uint64_t)(uintptr_t)memory + MEMORY - next() % 64;
    default:
        return (uint64_t)(uintptr_t)memory + (next() % MEMORY & ~7u);
    }
}

int main(int count, char **arguments)
{
    char *mapped = mmap(NULL, MEMORY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long rounds = count > 2 ? atol(arguments[2]) : 1000, frames = 0;

    memory = mapped + PAGE;
    if (mapped == MAP_FAILED || mprotect(memory, MEMORY, PROT_READ | PROT_WRITE) != 0)
        return 2;
    find_loader_functions();
    dl_iterate_phdr(note_code, NULL);
    state = count > 1 ? (uint64_t)atol(arguments[1]) : 1;
    for (long round = 0; round < rounds; round++) {
        struct readable readable = { .next = 0 };
        struct frame frame = { .pc = next() % 10 ? code() : value(), .interrupted = next() % 2 };

        for (size_t at = 0; round % 100 == 0 && at < MEMORY / 8; at++)
            ((uint64_t *)memory)[at] = value();
        for (int number = 0; number < REGISTER_COUNT; number++)
            frame.registers[number] = value();
        for (int depth = 0; depth < DEEPEST && unwind(&frame, &readable); depth++)
            frames++;
    }
    printf("%ld frames\n", frames);
    return 0;
}
