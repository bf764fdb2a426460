/*
 * Programs that a witness could change: each says what it sees. With -DPLUGIN it is a library whose
 * constructor calls the driver, with -DHOOK one that hooks dlsym as products that limit memory do, with
 * -DPYTHON one that looks like an interpreter.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
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
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <unistd.h>

#if defined(PLUGIN)
int cuInit(unsigned int) __attribute__((weak));

__attribute__((constructor)) static void early(void)
{
    printf("early %d\n", cuInit ? cuInit(0) : -1);
}
#elif defined(PYTHON)
const unsigned long Py_Version = PYTHON;

void *PyGILState_GetThisThreadState(void)
{
    return PYTHON >= 0x030f0000 ? (void *)&Py_Version : NULL;
}

#if PYTHON >= 0x030f0000
const char *PyUnstable_DumpTraceback(int file, void *thread)
{
    static const char text[] = "Stack (most recent call first):\n"
                               "  File \"/home/J\\xf6rg/a, line 7.py\", line 12 in helper\n"
                               "  File \"<string>\", line ??? in <module>\n";

    if (thread != &Py_Version || write(file, text, sizeof text - 1) != sizeof text - 1)
        abort();
    return NULL;
}
#endif
#elif defined(HOOK)
static void *(*real_dlsym)(void *, const char *);

static void *in_driver(const char *name)
{
    return real_dlsym(dlopen("libcuda.so.1", RTLD_LAZY), name);
}

int cuInit(unsigned int flags)
{
    return ((int (*)(unsigned int))in_driver("cuInit"))(flags);
}

void *dlsym(void *handle, const char *name)
{
    if (!real_dlsym)
        *(void **)&real_dlsym = dlvsym(RTLD_NEXT, "dlsym", HOOK);
    return strcmp(name, "cuInit") == 0 ? (void *)cuInit : real_dlsym(handle, name);
}
#else
static int (*init)(unsigned int), (*retain)(void **, int), (*release)(int);
static void *driver;
static int finished;

static void open_driver(void)
{
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    init = (int (*)(unsigned int))dlsym(driver, "cuInit");
    retain = (int (*)(void **, int))dlsym(driver, "cuDevicePrimaryCtxRetain");
    release = (int (*)(int))dlsym(driver, "cuDevicePrimaryCtxRelease_v2");
}

static int device(void)
{
    int (*get)(int *, int) = (int (*)(int *, int))dlsym(driver, "cuDeviceGet"), handle = 0;

    get(&handle, 0);
    return handle;
}

static void *open_when_cancelled(void *data)
{
    pthread_cancel(pthread_self());
    open_driver();
    finished = 1;
    return data;
}

static void *call_when_cancelled(void *data)
{
    void *context;

    pthread_cancel(pthread_self());
    init(0);
    retain(&context, 0);
    finished = 1;
    return data;
}

static void in_thread(void *(*body)(void *))
{
    pthread_t thread;

    pthread_create(&thread, NULL, body, NULL);
    pthread_join(thread, NULL);
    printf("finished %d\n", finished);
    fflush(stdout);
}

static int handle;

static void on_signal(int signal)
{
    void *context;

    (void)signal;
    finished = retain(&context, handle) == 0 && release(handle) == 0;
}

/* The kernel's own frame takes up to half of it. */
static void on_small_stack(void)
{
    enum { SIZE = 8192, PAGE = 4096 };
    char *memory = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = memory + PAGE, .ss_size = SIZE };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

    mprotect(memory, PAGE, PROT_NONE);
    open_driver();
    init(0);
    handle = device();
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("finished %d\n", finished);
}

static void in_little_memory(void)
{
    struct rlimit limit = { 240 << 20, 240 << 20 };
    void *context;

    setrlimit(RLIMIT_AS, &limit);
    open_driver();
    printf("%d ", init(0));
    printf("%d %d\n", retain(&context, device()), malloc(120 << 20) != NULL);
}

static void without_system_calls(void)
{
    char text[] = "release 0 0 0\n";
    void *context;

    open_driver();
    init(0);
    handle = device();
    retain(&context, handle);
    retain(&context, handle);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    text[8] = (char)('0' + release(handle));
    text[10] = (char)('0' + retain(&context, handle));
    text[12] = (char)('0' + release(handle) + release(handle));
    syscall(SYS_write, 1, text, sizeof text - 1);
    syscall(SYS_exit, 0);
}

static void under_python(void)
{
    dlopen("libpython-new.so", RTLD_NOW);
    open_driver();
    printf("%d\n", init(0));
}

/* An interpreter goes between the driver's opening and its first call. */
static void after_unloading(void)
{
    void *context, *python = dlopen("libgone.so", RTLD_NOW);

    open_driver();
    dlclose(python);
    printf("%d ", dlopen("libgone.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    printf("%d ", init(0));
    printf("%d\n", retain(&context, device()));
}

static void look_up(void)
{
    int (*get)(const char *, void **, int, uint64_t, int *);
    void *address = NULL;
    int status = 0;

    open_driver();
    get = (int (*)(const char *, void **, int, uint64_t, int *))dlsym(driver, "cuGetProcAddress_v2");
    for (uint64_t flags = 0; flags < 4; flags++) {
        int result = get("x", &address, 12030, flags, &status);

        printf("%d %p %d\n", result, address, status);
    }
}

int main(int count, char **words)
{
    const char *word = count > 1 ? words[1] : "";
    void *context;

    if (!strcmp(word, "cancelled")) {
        in_thread(open_when_cancelled);
    } else if (!strcmp(word, "cancelled-child")) {
        open_driver();
        if (fork() == 0) {
            in_thread(call_when_cancelled);
            _exit(0);
        }
        wait(NULL);
    } else if (!strcmp(word, "small-stack")) {
        on_small_stack();
    } else if (!strcmp(word, "little-memory")) {
        in_little_memory();
    } else if (!strcmp(word, "seccomp")) {
        without_system_calls();
    } else if (!strcmp(word, "unloaded")) {
        after_unloading();
    } else if (!strcmp(word, "python")) {
        under_python();
    } else if (!strcmp(word, "look-up")) {
        look_up();
    } else {
        open_driver();
        printf("init %d ", init(0));
        printf("retain %d\n", retain(&context, device()));
    }
    return 0;
}
#endif
