/* The calling thread's native frames outside the witness. */
#include "unwind.h"
#include "witness.h"

enum { DEEPEST_HERE = 16 }; /* of the witness's own frames */

/* What a function's callee must keep, and where it is itself: the rest is of no use to its callers. */
static inline __attribute__((always_inline)) void begin_here(struct frame *frame)
{
    *frame = (struct frame){ .interrupted = true };
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movq %%rbx, %1\n\t"
                     "movq %%rbp, %2\n\t"
                     "movq %%rsp, %3\n\t"
                     "movq %%r12, %4\n\t"
                     "movq %%r13, %5\n\t"
                     "movq %%r14, %6\n\t"
                     "movq %%r15, %7"
                     : "=m"(frame->pc), "=m"(frame->registers[3]), "=m"(frame->registers[6]),
                       "=m"(frame->registers[7]), "=m"(frame->registers[12]),
                       "=m"(frame->registers[13]), "=m"(frame->registers[14]),
                       "=m"(frame->registers[15])
                     :
                     : "rax");
#else
    __asm__ volatile("adr x9, .\n\t"
                     "str x9, [%1]\n\t"
                     "stp x19, x20, [%0, #152]\n\t"
                     "stp x21, x22, [%0, #168]\n\t"
                     "stp x23, x24, [%0, #184]\n\t"
                     "stp x25, x26, [%0, #200]\n\t"
                     "stp x27, x28, [%0, #216]\n\t"
                     "stp x29, x30, [%0, #232]\n\t"
                     "mov x9, sp\n\t"
                     "str x9, [%0, #248]"
                     :
                     : "r"(frame->registers), "r"(&frame->pc)
                     : "x9", "memory");
#endif
}

/* Not inlined, so that its own frame is the first one and has its description. */
__attribute__((noinline)) int native_stack(uintptr_t caller,
                                           uintptr_t addresses[TRACE_MAXIMUM_NATIVE_FRAMES])
{
    struct readable readable = { .next = 0 };
    struct frame frame;
    int count = 0;

    begin_here(&frame);
    for (int own = 0; count < TRACE_MAXIMUM_NATIVE_FRAMES && own < DEEPEST_HERE; own += !count)
        if (!unwind(&frame, &readable))
            break;
        else if (count || frame.pc == caller)
            addresses[count++] = frame.pc;
    if (!count)
        addresses[count++] = caller;
    return count;
}
