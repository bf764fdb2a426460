/*
 * Calls from unusual places, on device 0 if none is named:
 *
 *   thread:D                a retain in another thread
 *   threads:N,M             N threads, each retains and releases M times
 *   cost:N                  N retains and releases, and what a call of them costs
 *   signals:N               retains and releases until N signals have come in the middle of the witness, each of
 *                           which retains and releases, too
 *   compare:WHERE           a retain, and the stack as libc's backtrace() has it: deep, in a callback, beside an array,
 *                           in a signal handler or in a coroutine
 *   generated               a retain by code made at run time
 *   small-stack             retains and releases in a signal handler with 8 KiB of stack
 *   beside-filtered         from now on there is a second thread, and process_vm_readv kills
 *   seccomp                 retains and releases when no system call is allowed
 *   unloading:LIBRARY       retains and releases while another thread loads and unloads the library, and words on this
 *                           stack point into it
 */
#define _GNU_SOURCE
#include "client.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int handle;
static int result;
static int rounds;

__attribute__((noinline)) static void *in_thread(void *data)
{
    result = retain(handle);
    return data;
}

static void *many_pairs(void *failures)
{
    for (int round = 0; round < rounds; round++)
        __atomic_fetch_add((int *)failures, retain_and_release(handle) != 0, __ATOMIC_RELAXED);
    return NULL;
}

static int in_threads(int count, void *(*start)(void *), void *data)
{
    pthread_t threads[64];

    for (int index = 0; index < count; index++)
        pthread_create(&threads[index], NULL, start, data);
    for (int index = 0; index < count; index++)
        pthread_join(threads[index], NULL);
    return 0;
}

/* On average, and in the best batch of 200, for others use this machine, too. */
static int print_cost(int count)
{
    enum { BATCH = 200 };
    double best = 1e18, sum = 0;

    for (int done = 0; done < count; done += BATCH) {
        struct timespec begin, end;
        double cost;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (int call = 0; call < BATCH; call++)
            retain_and_release(handle);
        clock_gettime(CLOCK_MONOTONIC, &end);
        cost = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
        best = cost < best ? cost : best;
        sum += cost;
    }
    printf("cost %.0f ns a call, %.0f at best\n", sum / count / 2, best / BATCH / 2);
    return 0;
}

static volatile sig_atomic_t handled;
static const void *witness;

/* Only in the middle of the witness's own code: a driver cannot be called in the middle of its own. */
static void on_signal(int signal, siginfo_t *information, void *context)
{
    const ucontext_t *interrupted = context;
#if defined(__x86_64__)
    void *at = (void *)interrupted->uc_mcontext.gregs[REG_RIP];
#else
    void *at = (void *)interrupted->uc_mcontext.pc;
#endif
    Dl_info info;

    (void)signal;
    (void)information;
    if (!dladdr(at, &info) || info.dli_fbase != witness)
        return;
    result += retain_and_release(handle);
    handled++;
}

static int among_signals(int count)
{
    struct itimerval often = { .it_interval = { .tv_usec = 150 }, .it_value = { .tv_usec = 150 } };
    struct itimerval never = { .it_value = { 0 } };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    int failures = 0;
    Dl_info info;

    dladdr((void *)cuDevicePrimaryCtxRetain, &info);
    witness = info.dli_fbase;
    result = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < count)
        failures += retain_and_release(handle);
    setitimer(ITIMER_REAL, &never, NULL);
    return failures + result;
}

/* Module and address in its file, innermost first; the first one is this function. */
__attribute__((noinline)) static void compare_here(void)
{
    enum { MOST = 64 };
    void *addresses[MOST];
    int count = backtrace(addresses, MOST);

    for (int frame = 1; frame < count; frame++) {
        struct link_map *map = NULL;
        Dl_info info;
        int known = dladdr1((char *)addresses[frame] - 1, &info, (void **)&map, RTLD_DL_LINKMAP);

        printf("frame %s %lx\n", known ? info.dli_fname : "",
               (unsigned long)addresses[frame] - (known && map ? (unsigned long)map->l_addr : 0));
    }
    result = retain(handle);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

__attribute__((noinline)) static int compare_deep(int depth)
{
    int more = 1;

    if (depth)
        more += compare_deep(depth - 1);
    else
        compare_here();
    return more;
}

static int compare_in_callback(const void *one, const void *other)
{
    compare_here();
    return one == other;
}

static void compare_in_handler(int signal)
{
    (void)signal;
    compare_here();
}

/* With a variable-length array, whose function keeps its frame in another register. */
__attribute__((noinline)) static int compare_with_array(int size)
{
    volatile char array[size];

    array[size - 1] = 1;
    compare_here();
    return array[size - 1];
}

static void in_coroutine(void (*body)(void))
{
    enum { SIZE = 256 * 1024 };
    static ucontext_t here, there;

    getcontext(&there);
    there.uc_stack.ss_sp = malloc(SIZE);
    there.uc_stack.ss_size = SIZE;
    there.uc_link = &here;
    makecontext(&there, body, 0);
    swapcontext(&here, &there);
    free(there.uc_stack.ss_sp);
}

static int compare(const char *where)
{
    int numbers[] = { 2, 1 };

    if (is(where, "deep")) {
        compare_deep(100);
    } else if (is(where, "callback")) {
        qsort(numbers, 2, sizeof *numbers, compare_in_callback);
    } else if (is(where, "array")) {
        compare_with_array(100);
    } else if (is(where, "signal")) {
        signal(SIGUSR1, compare_in_handler);
        raise(SIGUSR1);
    } else {
        in_coroutine(compare_here);
    }
    return result;
}

/* A few instructions that call the function whose address they hold, with their own arguments. */
static int in_generated_code(void)
{
    int (*function)(void **, int) = cuDevicePrimaryCtxRetain;
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *context;
#if defined(__x86_64__)
    static const unsigned char text[] = { 0x48, 0x83, 0xec, 0x08, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
                                          0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3 };
    enum { PLACE = 6 };
#else
    static const uint32_t text[] = { 0xa9bf7bfd, 0x58000089, 0xd63f0120, 0xa8c17bfd, 0xd65f03c0, 0, 0 };
    enum { PLACE = 20 };
#endif

    memcpy(code, text, sizeof text);
    memcpy(code + PLACE, &function, sizeof function);
    __builtin___clear_cache((char *)code, (char *)code + sizeof text);
    return ((int (*)(void **, int))code)(&context, handle);
}

static void on_small_stack(int signal)
{
    (void)signal;
    result = retain_and_release(handle);
}

/* The kernel's own frame takes up to half of it. */
static int with_small_stack(void)
{
    enum { SIZE = 8192, PAGE = 4096 };
    char *memory = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = memory + PAGE, .ss_size = SIZE };
    struct sigaction action = { .sa_handler = on_small_stack, .sa_flags = SA_ONSTACK };

    mprotect(memory, PAGE, PROT_NONE);
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return result;
}

static _Atomic bool stops;

static void *wait_for_stop(void *unused)
{
    while (!stops)
        usleep(1000);
    return unused;
}

/* As filters do that keep debuggers out. */
static int beside_filtered(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    pthread_t thread;

    return pthread_create(&thread, NULL, wait_for_stop, NULL)
        || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void without_system_calls(void)
{
    char text[] = "seccomp 0\n";

    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    text[8] = (char)('0' + retain_and_release(handle) + retain_and_release(handle));
    syscall(SYS_write, 1, text, sizeof text - 1);
    stops = true;
    syscall(SYS_exit, 0);
}

static _Atomic uintptr_t loaded;

static void *load_and_unload(void *name)
{
    while (!stops) {
        void *library = dlopen(name, RTLD_NOW);

        loaded = (uintptr_t)dlsym(library, "retain");
        dlclose(library);
    }
    return NULL;
}

static int beside_unloading(const char *library)
{
    enum { ROUNDS = 3000 };
    volatile uintptr_t words[8];
    pthread_t thread;
    int failures = 0;

    pthread_create(&thread, NULL, load_and_unload, (void *)library);
    for (int round = 0; round < ROUNDS; round++) {
        for (int word = 0; word < 8; word++)
            words[word] = loaded + (uintptr_t)round % 100; /* another stack each time */
        failures += retain_and_release(handle);
    }
    stops = true;
    return pthread_join(thread, NULL) + failures + (words[0] == 0);
}

int call_in_places(const char *verb, const char *value)
{
    int failures = 0;

    result = -1; /* of what does not come to its call */
    handle = device(is(verb, "thread") ? value : "0");
    if (is(verb, "thread"))
        return in_threads(1, in_thread, NULL) + result;
    if (is(verb, "threads")) {
        rounds = atoi(strchr(value, ',') + 1);
        return in_threads(atoi(value), many_pairs, &failures) + failures;
    }
    if (is(verb, "cost"))
        return print_cost(atoi(value));
    if (is(verb, "signals"))
        return among_signals(atoi(value));
    if (is(verb, "compare"))
        return compare(value);
    if (is(verb, "generated"))
        return in_generated_code();
    if (is(verb, "small-stack"))
        return with_small_stack();
    if (is(verb, "unloading"))
        return beside_unloading(value);
    if (is(verb, "beside-filtered"))
        return beside_filtered();
    if (is(verb, "seccomp"))
        without_system_calls();
    return UNKNOWN;
}
