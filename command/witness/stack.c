/*
 * A copy of the calling thread's stack for the command, which unwinds it: the registers, and those
 * words that point into a module or into the stack. Data of the program is not among them. A word may be
 * old, and another thread may unload the module that it points into: nothing there is read here.
 *
 * The copy begins in the witness's own frames. Equal stacks are written once: they are compared from
 * the caller's frame on, by a hash.
 */
#include "loaded_object.h"
#include "readable.h"
#include "witness.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>

enum {
    WORDS = TRACE_STACK_BYTES / sizeof(uint64_t),
    MOST_MODULES = 24,
    MISSES = 128,
    KNOWN_STACKS = 1024,
    PAGE = 4096,
    PLACE_BITS = 25, /* of the arena's length in units of 8 bytes */
};
#define WITHIN_MAIN_STACK ((uintptr_t)64 << 20) /* the kernel maps nothing else so near to its end */


struct scan {
    uintptr_t first, end;
    struct mapping modules[MOST_MODULES];
    uint32_t ids[MOST_MODULES];
    uint32_t module_count, hit;
    uint32_t misses[MISSES]; /* pages that are in no module, by the lower half of their numbers */
    uint64_t kept[WORDS / 64];
    uint64_t hash;
};

/* The upper bits are the hash, the lower ones the place. */
static _Atomic uint64_t known_stacks[KNOWN_STACKS];

static uintptr_t strip(uint64_t word)
{
#if defined(__aarch64__)
    return word & 0xffffffffffff; /* return addresses may be signed */
#else
    return word;
#endif
}

static bool in_new_module(struct scan *scan, uintptr_t address)
{
    uint32_t page = (uint32_t)(address / PAGE), *miss = &scan->misses[page % MISSES];

    if (*miss == page || scan->module_count == MOST_MODULES)
        return false;
    if (!find_mapping(address, &scan->modules[scan->module_count])) {
        *miss = page;
        return false;
    }
    scan->hit = scan->module_count++;
    return true;
}

static bool is_kept(struct scan *scan, uint64_t word)
{
    uintptr_t address = strip(word);

    if (address < PAGE || address >> 47)
        return false;
    for (uint32_t index = 0; index < scan->module_count; index++) {
        uint32_t module = (scan->hit + index) % scan->module_count;

        if (address >= scan->modules[module].start && address < scan->modules[module].end) {
            scan->hit = module;
            return true;
        }
    }
    return in_new_module(scan, address) || (address >= scan->first && address < scan->end);
}

static bool is_in_another_module(uintptr_t page, uintptr_t stack)
{
    struct mapping found;

    return find_mapping(page, &found) && (stack < found.start || stack >= found.end);
}

/*
 * Up to where it can be read. The main thread's needs no question to the kernel. libc's description of another
 * thread lies at the top of its stack: what is beyond belongs to others, who may unmap it at any time.
 */
static uintptr_t end_of_stack(uintptr_t first)
{
    uintptr_t top = getauxval(AT_EXECFN) & ~(uintptr_t)7, end = first + TRACE_STACK_BYTES;
    uintptr_t description = (uintptr_t)pthread_self() & ~(uintptr_t)7;
    struct readable readable = { .lasting = false };
    uintptr_t page = (first & ~(uintptr_t)(PAGE - 1)) + PAGE;

    if (first < top && top - first < WITHIN_MAIN_STACK)
        return end < top ? end : top;
    if (first < description && description < end)
        end = description;
    while (page < end && !is_in_another_module(page, first) && can_read(&readable, page, 1))
        page += PAGE;
    return page < end ? page : end;
}

/* Reads between the variables of a frame, too, which sanitizers forbid. */
__attribute__((no_sanitize("address", "thread"))) static uint64_t word_at(uintptr_t at)
{
    return *(const volatile uint64_t *)at;
}

/* Which words are kept. Returns how many. */
static uint32_t choose(struct scan *scan, struct caller caller, uint32_t module)
{
    uint32_t count = 0;

    scan->hash = mix(mix(caller.address, caller.frame), module);
    for (uintptr_t at = scan->first; at < scan->end; at += sizeof(uint64_t)) {
        uint64_t word = word_at(at);
        size_t index = (at - scan->first) / sizeof word;

        if (!is_kept(scan, word))
            continue;
        scan->kept[index / 64] |= (uint64_t)1 << index % 64;
        count++;
        if (at >= caller.frame)
            scan->hash = mix(mix(scan->hash, at), word);
    }
    /* Another module may have been loaded to the same place. Their records come before the stack's. */
    for (uint32_t index = 0; index < scan->module_count; index++) {
        scan->ids[index] = module_of_mapping(&scan->modules[index]);
        scan->hash = mix(scan->hash, scan->ids[index]);
    }
    return count;
}

static uint64_t write_stack(struct scan *scan, const uint64_t *registers, uint32_t count)
{
    size_t word_count = (scan->end - scan->first) / sizeof(uint64_t);
    size_t bits = (word_count + 63) / 64;
    uint64_t place = 0, *to;
    struct trace_stack *record;

    record = reserve_record(TRACE_STACK,
                            sizeof *record + (bits + count) * sizeof(uint64_t)
                                + scan->module_count * sizeof *scan->ids,
                            &place);
    if (!record)
        return 0;
    memcpy(record->registers, registers, sizeof record->registers);
    record->first = scan->first;
    record->word_count = (uint32_t)word_count;
    record->module_count = scan->module_count;
    to = (uint64_t *)(record + 1);
    memcpy(to, scan->kept, bits * sizeof *to);
    to += bits;
    for (size_t index = 0; index < word_count; index++)
        if (scan->kept[index / 64] >> index % 64 & 1)
            *to++ = word_at(scan->first + index * sizeof *to);
    memcpy(to, scan->ids, scan->module_count * sizeof *scan->ids);
    publish_record(record, TRACE_WRITTEN);
    return place;
}

/* Not inlined, so that the registers' own frame has a description. */
__attribute__((noinline)) static uint64_t copy_stack(const uint64_t *registers, struct caller caller,
                                                     uint32_t module)
{
    struct scan scan = { .first = registers[TRACE_REGISTERS - 2] & ~(uintptr_t)7 };
    const uint64_t place_mask = ((uint64_t)1 << PLACE_BITS) - 1;
    _Atomic uint64_t *known;
    uint64_t found, place;
    uint32_t count;

    scan.end = end_of_stack(scan.first);
    count = choose(&scan, caller, module);
    known = &known_stacks[scan.hash % KNOWN_STACKS];
    found = atomic_load_explicit(known, memory_order_acquire);
    if (found & place_mask && !((found ^ scan.hash) & ~place_mask))
        return (found & place_mask) * 8;
    place = write_stack(&scan, registers, count);
    if (place)
        atomic_store_explicit(known, (scan.hash & ~place_mask) | place / 8, memory_order_release);
    return place;
}

/* What a function's callee must keep, and where it is itself: the rest is of no use to its callers. */
__attribute__((noinline)) uint64_t note_stack(struct caller caller, uint32_t module)
{
    uint64_t registers[TRACE_REGISTERS] = { 0 }, place;

#if defined(__x86_64__)
    __asm__ volatile("movq %%rbx, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%r12, 16(%0)\n\t"
                     "movq %%r13, 24(%0)\n\t"
                     "movq %%r14, 32(%0)\n\t"
                     "movq %%r15, 40(%0)\n\t"
                     "movq %%rsp, 96(%0)\n\t"
                     "leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 104(%0)"
                     :
                     : "r"(registers)
                     : "rax", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("stp x19, x20, [%0, #0]\n\t"
                     "stp x21, x22, [%0, #16]\n\t"
                     "stp x23, x24, [%0, #32]\n\t"
                     "stp x25, x26, [%0, #48]\n\t"
                     "stp x27, x28, [%0, #64]\n\t"
                     "stp x29, x30, [%0, #80]\n\t"
                     "mov x9, sp\n\t"
                     "adr x10, .\n\t"
                     "stp x9, x10, [%0, #96]"
                     :
                     : "r"(registers)
                     : "x9", "x10", "memory");
#else
#error "the witness knows x86-64 and aarch64"
#endif
    place = copy_stack(registers, caller, module);
    __asm__ volatile("" ::: "memory"); /* no tail call: this frame is the first one */
    return place;
}
