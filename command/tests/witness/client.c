/*
 * A program that makes the driver calls that its arguments name, one after the other, and prints
 * each result. With -DLINKED it is linked with -lcuda. Otherwise the first word that needs the driver
 * opens libcuda.so.1.
 *
 *   init   retain D   release D   release1 D   reset D   reset1 D   state D
 *   create D  create3 D  create4 D  create-gl D  destroy      green D   green-destroy
 *   by LIBRARY              from now on this library makes the calls; `client` is this program again
 *   many N D                N ordinary contexts, every other one is destroyed first
 *   fork … end              the child does what stands between, and exits; the parent waits
 *   bare-fork … end         likewise, with the system call and no handlers of libc
 *   exec                    starts this program again with the arguments that follow
 *   threads N M D           N threads, each retains and releases D M times
 *   signals M D             retains and releases until M signals have come in the middle of one, and
 *                           retained and released, too
 *   compare WHERE D         a retain, and the stack as libc's backtrace() has it: plainly, deep, through
 *                           a callback, a signal handler or a coroutine
 *   generated D             a retain by code made at run time
 *   symbols NAME …          where each name leads: the driver or the witness
 *   flags                   what cuGetProcAddress returns for each flag
 *   reopen N                closes the driver and opens it again, N times
 *   holders D               what the witness says
 *   open PATH               opens another driver and initialises it
 *   cost                    nanoseconds of a retain and a release
 *   late D                  a release after the end of main, by the library named in LATE
 *   unload LIBRARY          closes what `by` opened; 1: it is still there
 *   cancelled               opens the driver, or calls it, in a thread that is being cancelled
 *   small-stack D           a retain and a release in a signal handler with 8 KiB of stack
 *   little-memory           limits the address space to 240 MiB;   allocate   takes 120 MiB
 *   seccomp D               releases, retains and releases when no system call is allowed
 *   kill                    dies of SIGKILL
 *   _exit                   ends without its destructors
 */
#define _GNU_SOURCE
#include "../../witness/cuda_contexts.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define FUNCTIONS(F)                                                                               \
    F(cuInit, (unsigned int))                                                                      \
    F(cuDeviceGet, (int *, int))                                                                   \
    F(cuDevicePrimaryCtxRetain, (void **, int))                                                    \
    F(cuDevicePrimaryCtxRelease, (int))                                                            \
    F(cuDevicePrimaryCtxRelease_v2, (int))                                                         \
    F(cuDevicePrimaryCtxReset, (int))                                                              \
    F(cuDevicePrimaryCtxReset_v2, (int))                                                           \
    F(cuDevicePrimaryCtxGetState, (int, unsigned int *, int *))                                    \
    F(cuCtxCreate_v2, (void **, unsigned int, int))                                                \
    F(cuCtxCreate_v3, (void **, void *, int, unsigned int, int))                                   \
    F(cuCtxCreate_v4, (void **, void *, unsigned int, int))                                        \
    F(cuGLCtxCreate_v2, (void **, unsigned int, int))                                              \
    F(cuCtxDestroy_v2, (void *))                                                                   \
    F(cuDeviceGetDevResource, (int, void *, int))                                                  \
    F(cuDevResourceGenerateDesc, (void **, void *, unsigned int))                                  \
    F(cuGreenCtxCreate, (void **, void *, int, unsigned int))                                      \
    F(cuGreenCtxDestroy, (void *))                                                                 \
    F(cuGetProcAddress_v2, (const char *, void **, int, uint64_t, int *))

#ifdef LINKED
#define F(name, types) extern int name types;
FUNCTIONS(F)
#undef F
#else
#define F(name, types) static int(*name) types;
FUNCTIONS(F)
#undef F
#endif

static void *driver, *late, *by;

/* A library named in LATE is opened before the driver, so that its destructor runs after. */
static void open_driver(void)
{
    if (getenv("LATE"))
        late = dlopen(getenv("LATE"), RTLD_NOW);
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
#ifndef LINKED
#define F(name, types) name = (int(*) types)dlsym(driver, #name);
    FUNCTIONS(F)
#undef F
#endif
}

static int device(const char *ordinal)
{
    int handle = -1;

    cuDeviceGet(&handle, atoi(ordinal));
    return handle;
}

__attribute__((noinline)) static int retain_in_helper(int handle)
{
    void *context;
    int result;

    errno = 4711;
    result = cuDevicePrimaryCtxRetain(&context, handle);
    return errno == 4711 ? result : -1;
}

/* By the library that `by` has opened, if it has. */
static int retain(int handle)
{
    int (*through)(int (*)(void **, int), void **, int) = by ? dlsym(by, "retain") : NULL;
    void *context;

    return through ? through(cuDevicePrimaryCtxRetain, &context, handle) : retain_in_helper(handle);
}

static int release(int handle)
{
    int (*through)(int (*)(int), int) = by ? dlsym(by, "release") : NULL;

    return through ? through(cuDevicePrimaryCtxRelease_v2, handle)
                   : cuDevicePrimaryCtxRelease_v2(handle);
}

static int destroy(int (*function)(void *), void *context)
{
    int (*through)(int (*)(void *), void *) = by ? dlsym(by, "destroy") : NULL;

    return through ? through(function, context) : function(context);
}

/* Ordinary contexts, of which every other one is destroyed first. */
static int many(int count, int handle)
{
    void **contexts = calloc((size_t)count, sizeof *contexts);
    int failures = 0;

    for (int index = 0; index < count; index++)
        failures += cuCtxCreate_v2(&contexts[index], 0, handle) != 0;
    for (int half = 0; half < 2; half++)
        for (int index = half; index < count; index += 2)
            failures += cuCtxDestroy_v2(contexts[index]) != 0;
    free(contexts);
    return failures;
}

struct work {
    int count, handle, failures;
};

static void *retain_and_release(void *data)
{
    struct work *work = data;
    void *context;

    for (int index = 0; index < work->count; index++) {
        work->failures += cuDevicePrimaryCtxRetain(&context, work->handle) != 0;
        work->failures += cuDevicePrimaryCtxRelease_v2(work->handle) != 0;
    }
    return NULL;
}

static int threads(int count, int calls, int handle)
{
    pthread_t *started = calloc((size_t)count, sizeof *started);
    struct work *work = calloc((size_t)count, sizeof *work);
    int failures = 0;

    for (int index = 0; index < count; index++) {
        work[index] = (struct work){ .count = calls, .handle = handle };
        pthread_create(&started[index], NULL, retain_and_release, &work[index]);
    }
    for (int index = 0; index < count; index++) {
        pthread_join(started[index], NULL);
        failures += work[index].failures;
    }
    free(started);
    free(work);
    return failures;
}

static struct work in_handler;
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
    retain_and_release(&in_handler);
    handled++;
}

static int signals(int count, int handle)
{
    struct itimerval often = { .it_interval = { .tv_usec = 150 }, .it_value = { .tv_usec = 150 } };
    struct itimerval never = { .it_value = { 0 } };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct work work = { .count = 1, .handle = handle };
    Dl_info info;

    dladdr((void *)cuDevicePrimaryCtxRetain, &info);
    witness = info.dli_fbase;
    in_handler = work;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < count)
        retain_and_release(&work);
    setitimer(ITIMER_REAL, &never, NULL);
    return work.failures + in_handler.failures;
}

static int compared_handle, compared_answer;

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
    compared_answer = retain_in_helper(compared_handle);
    __asm__ volatile("" ::: "memory");
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
    (void)one;
    (void)other;
    compare_here();
    return 0;
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

static ucontext_t here, there;

static void on_other_stack(void (*body)(void))
{
    enum { SIZE = 256 * 1024 };

    getcontext(&there);
    there.uc_stack.ss_sp = malloc(SIZE);
    there.uc_stack.ss_size = SIZE;
    there.uc_link = &here;
    makecontext(&there, body, 0);
    swapcontext(&here, &there);
    free(there.uc_stack.ss_sp);
}

static int compare(const char *where, int handle)
{
    int numbers[] = { 2, 1 };

    compared_handle = handle;
    if (!strcmp(where, "plainly")) {
        compare_here();
    } else if (!strcmp(where, "deep")) {
        compare_deep(100);
    } else if (!strcmp(where, "callback")) {
        qsort(numbers, 2, sizeof *numbers, compare_in_callback);
    } else if (!strcmp(where, "array")) {
        compare_with_array(100);
    } else if (!strcmp(where, "signal")) {
        signal(SIGUSR1, compare_in_handler);
        raise(SIGUSR1);
    } else {
        on_other_stack(compare_here);
    }
    return compared_answer;
}

/* A few instructions that call the function whose address they hold, with their own arguments. */
static int generated(int handle)
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

/* "driver NAME", "witness NAME" or "absent"; of NAME@VERSION the result of cuGetProcAddress before that. */
static void reach(char *word)
{
    int (*first)(const char *, void **, int, uint64_t) =
        (int (*)(const char *, void **, int, uint64_t))dlsym(driver, "cuGetProcAddress");
    int (*second)(const char *, void **, int, uint64_t, int *) = (int (*)(
        const char *, void **, int, uint64_t, int *))dlsym(driver, "cuGetProcAddress_v2");
    void *own = dlsym(driver, "cuda_contexts_version"), *address = NULL;
    char *version = strchr(word, '@');
    const ElfW(Sym) *symbol = NULL;
    Dl_info info, in_witness = { .dli_fbase = NULL };
    int status = 0, result = -1;

    printf("%s ", word);
    if (version) {
        *version++ = '\0';
        if (second)
            result = second(word, &address, atoi(version), 0, &status);
        else if (first)
            result = first(word, &address, atoi(version), 0);
        printf("%d ", result + 1000 * status);
        address = result ? NULL : address;
    } else {
        address = dlsym(driver, word);
    }
    if (own)
        dladdr(own, &in_witness);
    if (!address || !dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT))
        puts("absent");
    else
        printf("%s %s\n", info.dli_fbase == in_witness.dli_fbase ? "witness" : "driver",
               info.dli_sname ? info.dli_sname : "unnamed");
}

static void print_flags(void)
{
    void *address = NULL;
    int status = 0;

    for (uint64_t flags = 0; flags < 4; flags++) {
        int result = cuGetProcAddress_v2("x", &address, 12030, flags, &status);

        printf("%d %p %d\n", result, address, status);
    }
}

static void print_holders(int handle)
{
    uint32_t (*version)(void) = (uint32_t(*)(void))dlsym(driver, "cuda_contexts_version");
    uint32_t (*holders)(int32_t, struct cuda_contexts_holder *, uint32_t) =
        (uint32_t(*)(int32_t, struct cuda_contexts_holder *, uint32_t))dlsym(
            driver, "cuda_contexts_holders");
    struct cuda_contexts_holder found[4];
    uint32_t count = version && version() == CUDA_CONTEXTS_INTERFACE
                       ? holders(handle, found, 4)
                       : UINT32_MAX;

    printf("holders %d\n", (int)count);
    for (uint32_t index = 0; index < count && count <= 4; index++) {
        const char *name = strrchr(found[index].library, '/');

        printf("  %s %u %u %u\n", name ? name + 1 : "no file", found[index].references,
               found[index].green, found[index].ordinary);
    }
}

static int green(void **context, int handle)
{
    char resource[512] = { 0 };
    void *description;
    int answer = cuDeviceGetDevResource(handle, resource, 1);

    answer = answer ? answer : cuDevResourceGenerateDesc(&description, resource, 1);
    return answer ? answer : cuGreenCtxCreate(context, description, handle, 1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The best of many, for others use this machine, too. */
static double cost(int handle)
{
    struct work work = { .count = 200, .handle = handle };
    double best = 1e18;

    for (int batch = 0; batch < 100; batch++) {
        double begin = now();

        retain_and_release(&work);
        if (now() - begin < best)
            best = now() - begin;
    }
    return best / work.count / 2;
}

static int finished;

static void *when_cancelled(void *data)
{
    pthread_cancel(pthread_self());
    if (!driver) {
        open_driver();
        finished = 1;
    } else {
        finished = cuInit(0) == 0 && retain_in_helper(0) == 0;
    }
    return data;
}

static int cancelled(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, when_cancelled, NULL);
    pthread_join(thread, NULL);
    return finished;
}

static int handle_of_signal;

static void on_small_stack(int signal)
{
    (void)signal;
    finished = retain(handle_of_signal) == 0 && release(handle_of_signal) == 0;
}

/* The kernel's own frame takes up to half of it. */
static int small_stack(int handle)
{
    enum { SIZE = 8192, PAGE = 4096 };
    char *memory = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = memory + PAGE, .ss_size = SIZE };
    struct sigaction action = { .sa_handler = on_small_stack, .sa_flags = SA_ONSTACK };

    mprotect(memory, PAGE, PROT_NONE);
    handle_of_signal = handle;
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return finished;
}

static void without_system_calls(int handle)
{
    char text[] = "seccomp 0 0 0\n";

    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    text[8] = (char)('0' + release(handle));
    text[10] = (char)('0' + retain(handle));
    text[12] = (char)('0' + release(handle) + release(handle));
    syscall(SYS_write, 1, text, sizeof text - 1);
    syscall(SYS_exit, 0);
}

/* The arguments behind the `end` that belongs to this fork. */
static char **behind_end(char **at)
{
    int depth = 1;

    for (; *at && depth; at++)
        depth += (strcmp(*at, "end") == 0 ? -1 : 0) + (strstr(*at, "fork") ? 1 : 0);
    return at;
}

int main(int count, char **arguments)
{
    void *ordinary = NULL, *green_context = NULL;

    (void)count;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (char **at = arguments + 1; *at; at++) {
        const char *what = *at;
        int answer = 0;

        if (!strcmp(what, "by")) {
            by = strcmp(*++at, "client") ? dlopen(*at, RTLD_NOW) : NULL;
            continue;
        } else if (!strcmp(what, "little-memory")) {
            struct rlimit limit = { 240 << 20, 240 << 20 };

            setrlimit(RLIMIT_AS, &limit);
            continue;
        } else if (!strcmp(what, "cancelled")) {
            printf("cancelled %d\n", cancelled());
            continue;
        }
        if (!driver)
            open_driver();
        if (!strcmp(what, "init")) {
            answer = cuInit(0);
        } else if (!strcmp(what, "retain")) {
            answer = retain(device(*++at));
        } else if (!strcmp(what, "release")) {
            answer = release(device(*++at));
        } else if (!strcmp(what, "many")) {
            answer = many(atoi(at[1]), device(at[2]));
            at += 2;
        } else if (!strcmp(what, "release1")) {
            answer = cuDevicePrimaryCtxRelease(device(*++at));
        } else if (!strcmp(what, "reset")) {
            answer = cuDevicePrimaryCtxReset_v2(device(*++at));
        } else if (!strcmp(what, "reset1")) {
            answer = cuDevicePrimaryCtxReset(device(*++at));
        } else if (!strcmp(what, "state")) {
            unsigned int flags;

            cuDevicePrimaryCtxGetState(device(*++at), &flags, &answer);
        } else if (!strcmp(what, "create")) {
            answer = cuCtxCreate_v2(&ordinary, 1, device(*++at));
        } else if (!strcmp(what, "create3")) {
            answer = cuCtxCreate_v3(&ordinary, NULL, 0, 0, device(*++at));
        } else if (!strcmp(what, "create4")) {
            answer = cuCtxCreate_v4(&ordinary, NULL, 0, device(*++at));
        } else if (!strcmp(what, "create-gl")) {
            answer = cuGLCtxCreate_v2(&ordinary, 0, device(*++at));
        } else if (!strcmp(what, "destroy")) {
            answer = destroy(cuCtxDestroy_v2, ordinary);
        } else if (!strcmp(what, "green")) {
            answer = green(&green_context, device(*++at));
        } else if (!strcmp(what, "green-destroy")) {
            answer = destroy(cuGreenCtxDestroy, green_context);
        } else if (!strcmp(what, "fork") || !strcmp(what, "bare-fork")) {
            pid_t child = *what == 'f' ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

            if (child == 0)
                continue;
            waitpid(child, &answer, 0);
            at = behind_end(at + 1) - 1;
        } else if (!strcmp(what, "end")) {
            exit(0);
        } else if (!strcmp(what, "exec")) {
            *at = arguments[0];
            execv("/proc/self/exe", at);
        } else if (!strcmp(what, "threads")) {
            answer = threads(atoi(at[1]), atoi(at[2]), device(at[3]));
            at += 3;
        } else if (!strcmp(what, "signals")) {
            answer = signals(atoi(at[1]), device(at[2]));
            at += 2;
        } else if (!strcmp(what, "reopen")) {
            for (int times = atoi(*++at); times > 0; times--) {
                answer += dlclose(driver) != 0;
                open_driver();
            }
        } else if (!strcmp(what, "compare")) {
            answer = compare(at[1], device(at[2]));
            at += 2;
        } else if (!strcmp(what, "generated")) {
            answer = generated(device(*++at));
        } else if (!strcmp(what, "symbols")) {
            while (at[1])
                reach(*++at);
            continue;
        } else if (!strcmp(what, "flags")) {
            print_flags();
            continue;
        } else if (!strcmp(what, "holders")) {
            print_holders(device(*++at));
            continue;
        } else if (!strcmp(what, "open")) {
            void *other = dlopen(*++at, RTLD_NOW);

            answer = other ? ((int (*)(unsigned int))dlsym(other, "cuInit"))(0) : -1;
        } else if (!strcmp(what, "unload")) {
            dlclose(by);
            by = NULL;
            answer = dlopen(*++at, RTLD_NOW | RTLD_NOLOAD) != NULL;
        } else if (!strcmp(what, "small-stack")) {
            answer = small_stack(device(*++at));
        } else if (!strcmp(what, "allocate")) {
            answer = malloc(120 << 20) != NULL;
        } else if (!strcmp(what, "seccomp")) {
            without_system_calls(device(*++at));
        } else if (!strcmp(what, "cost")) {
            printf("cost %.0f\n", cost(device(*++at)));
            continue;
        } else if (!strcmp(what, "late")) {
            ((void (*)(int (*)(int), int))dlsym(late, "call_at_the_end"))(
                cuDevicePrimaryCtxRelease_v2, device(*++at));
        } else if (!strcmp(what, "kill")) {
            raise(SIGKILL);
        } else if (!strcmp(what, "_exit")) {
            _exit(0);
        } else {
            fprintf(stderr, "no such call: %s\n", what);
            return 2;
        }
        printf("%s %d\n", what, answer);
    }
    return 0;
}
