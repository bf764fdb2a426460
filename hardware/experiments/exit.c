/* Releases a primary context at the end of a process, in the way that argv[2] names.
   Prints one line per driver call: "when call code". */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*init)(unsigned), (*retain)(void **, int), (*release)(int), (*state)(int, unsigned *, int *);
static int release_in_destructor;
static void *library;

static void say(const char *when, const char *call, int code)
{
    char line[160];
    int length = snprintf(line, sizeof line, "%s %s %d\n", when, call, code);
    if (write(1, line, (size_t)length) < 0)
        _exit(9);
}

static void *find(const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        say("load", name, -1);
        exit(3);
    }
    return found;
}

static void release_now(const char *when)
{
    unsigned flags = 0; int active = -1;
    say(when, "cuDevicePrimaryCtxGetState", state(0, &flags, &active));
    say(when, "active", active);
    say(when, "cuDevicePrimaryCtxRelease_v2", release(0));
}

static void at_exit(void) { release_now("atexit"); }
static void of_thread(void *value) { (void)value; release_now("tls-destructor"); }
static void of_main(void *value) { (void)value; release_now("main-tls-destructor"); }

__attribute__((destructor)) static void static_destructor(void)
{
    if (release_in_destructor)
        release_now("static-destructor");
}

static void *thread_with_key(void *key)
{
    pthread_setspecific(*(pthread_key_t *)key, "value");
    return NULL;
}

static void *keep_going(void *unused)
{
    void *context; int last = 0;
    (void)unused;
    for (;;) {
        int code = retain(&context, 0);
        if (code == 0)
            code = release(0);
        if (code != last) {
            say("other-thread", "retain-or-release", code);
            last = code;
        }
        if (code != 0)
            usleep(1000);
    }
    return NULL;
}

static void *release_late(void *unused)
{
    (void)unused;
    usleep(200000);
    release_now("thread-during-exit");
    return NULL;
}

static void linger(void) { usleep(500000); }

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    const char *mode = arguments[2];
    pthread_t thread; pthread_key_t key; void *context; int code;
    extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
    extern void *__dso_handle;

    if (!strcmp(mode, "atexit-before-load"))
        atexit(at_exit);
    if (!strcmp(mode, "linger-before-load"))
        atexit(linger);
    library = dlopen(arguments[1], RTLD_NOW);
    if (!library) {
        say("load", "dlopen", -1);
        return 3;
    }
    init = find("cuInit");
    retain = find("cuDevicePrimaryCtxRetain");
    release = find("cuDevicePrimaryCtxRelease_v2");
    state = find("cuDevicePrimaryCtxGetState");
    if (!strcmp(mode, "atexit-before-init"))
        atexit(at_exit);
    code = init(0);
    say("main", "cuInit", code);
    if (code)
        _exit(4);
    code = retain(&context, 0);
    say("main", "cuDevicePrimaryCtxRetain", code);
    if (code)
        _exit(4);

    if (!strcmp(mode, "atexit-after-init"))
        atexit(at_exit);
    else if (!strcmp(mode, "static-destructor"))
        release_in_destructor = 1;
    else if (!strcmp(mode, "tls-destructor-of-thread")) {
        pthread_key_create(&key, of_thread);
        pthread_create(&thread, NULL, thread_with_key, &key);
        pthread_join(thread, NULL);
    } else if (!strcmp(mode, "tls-destructor-of-main")) {
        if (__cxa_thread_atexit_impl)
            __cxa_thread_atexit_impl(of_main, NULL, &__dso_handle);
    } else if (!strcmp(mode, "thread-loops-while-main-returns")) {
        pthread_create(&thread, NULL, keep_going, NULL);
        usleep(100000);
    } else if (!strcmp(mode, "linger-before-load")) {
        /* atexit runs last-in first-out: the driver's own teardown comes before linger. */
        pthread_create(&thread, NULL, release_late, NULL);
    } else if (!strcmp(mode, "main-thread-ends-first")) {
        pthread_create(&thread, NULL, release_late, NULL);
        pthread_exit(NULL);
    } else if (!strcmp(mode, "after-dlclose")) {
        say("main", "dlclose", dlclose(library));
        say("main", "still-loaded", dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
        release_now("after-dlclose");
    } else if (!strcmp(mode, "underscore-exit"))
        _exit(0);
    return 0;
}
