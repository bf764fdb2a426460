/*
 * Threads that print which device is current in them, and how they end:
 *
 *   posix  c11  detached    one thread;   small  refused   by the size of its stack
 *   start:N                 N threads, a hundred at a time, and how many have their creator's device
 *   errno                   of pthread_create
 *   in-handler              a signal handler creates one;   waiter   a thread that waits for signals does
 *   create-cancelled        a thread that is being cancelled creates one
 *   cancelled               a thread that is being cancelled opens the driver, or calls it if it is open
 *   named:NAME              creates one with a name that lives for half a second
 *   constructor:LIBRARY     library.c's constructor creates one while another thread does
 *   before:reset            from now on library.c resets device 1 before each thread
 */
#define _GNU_SOURCE
#include "client.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static sem_t finished, go, done;
static bool resets;

/* The ordinal of the current context's device. */
static int current(void)
{
    void *context = NULL;
    int handle = -1, other;

    if (!driver || cuCtxGetCurrent(&context) || !context || cuCtxGetDevice(&handle))
        return -1;
    for (int ordinal = 0; cuDeviceGet(&other, ordinal) == 0; ordinal++)
        if (other == handle)
            return ordinal;
    return -1;
}

static void *start(void *kind)
{
    printf("%s %d\n", (const char *)kind, current());
    sem_post(&finished);
    return kind;
}

static int start_c11(void *kind)
{
    start(kind);
    return 7;
}

static void *quiet(void *right)
{
    return (void *)(long)(current() == (int)(long)right);
}

static int create_c11(char *kind)
{
    thrd_t thread;
    int status = 0;

    return thrd_create(&thread, start_c11, kind) || thrd_join(thread, &status) || status != 7;
}

static int create(const char *kind, const pthread_attr_t *attributes)
{
    pthread_t thread;
    int error = pthread_create(&thread, attributes, start, (void *)kind);
    void *returned = NULL;

    if (error)
        return error;
    sem_wait(&finished);
    return !is(kind, "detached") && (pthread_join(thread, &returned) || returned != kind);
}

static int create_with_attributes(const char *kind)
{
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    if (is(kind, "small"))
        pthread_attr_setstacksize(&attributes, 32 * 1024);
    else if (is(kind, "refused"))
        pthread_attr_setstacksize(&attributes, (size_t)1 << 50);
    else
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    error = create(kind, &attributes);
    pthread_attr_destroy(&attributes);
    return error;
}

static int create_many(const char *kind, int count)
{
    int right = 0, ordinal = current();

    for (int first = 0; first < count; first += 100) {
        pthread_t threads[100];
        void *returned;

        for (int index = 0; index < 100; index++)
            pthread_create(&threads[index], NULL, quiet, (void *)(long)ordinal);
        for (int index = 0; index < 100; index++) {
            pthread_join(threads[index], &returned);
            right += returned != NULL;
        }
    }
    printf("%s %d\n", kind, right);
    return 0;
}

static void print_errno(void)
{
    pthread_t thread;

    errno = EXDEV;
    pthread_create(&thread, NULL, quiet, NULL);
    printf("errno %s\n", strerrorname_np(errno));
    pthread_join(thread, NULL);
}

static void create_in_handler(int number)
{
    (void)number;
    create("in-handler", NULL);
}

static void *wait_for_signal(void *mask)
{
    int number;

    sigwait(mask, &number);
    create("waiter", NULL);
    return NULL;
}

/* As programs do that leave their signals to one thread. */
static int create_in_waiter(void)
{
    pthread_t thread;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    pthread_create(&thread, NULL, wait_for_signal, &mask);
    raise(SIGUSR2);
    pthread_kill(thread, SIGUSR2);
    return pthread_join(thread, NULL);
}

static void *create_while_cancelled(void *kind)
{
    pthread_t thread;

    pthread_cancel(pthread_self());
    pthread_create(&thread, NULL, start, kind);
    puts("created");
    sem_wait(&finished);
    return NULL;
}

static int cancel_creator(void)
{
    void *returned = NULL;
    pthread_t thread;

    pthread_create(&thread, NULL, create_while_cancelled, "cancelled");
    pthread_join(thread, &returned);
    sem_wait(&finished);
    return returned != PTHREAD_CANCELED;
}

static void *use_driver_while_cancelled(void *result)
{
    pthread_cancel(pthread_self());
    if (driver) {
        *(int *)result = cuInit(0) + retain(1);
    } else {
        open_driver();
        *(int *)result = 0;
    }
    return NULL;
}

static int cancel_user(void)
{
    pthread_t thread;
    int result = -1;

    pthread_create(&thread, NULL, use_driver_while_cancelled, &result);
    return pthread_join(thread, NULL) + result;
}

/* It creates a thread while another thread holds the loader's lock. */
static void *create_when_it_may(void *unused)
{
    sem_wait(&go);
    create_c11("beside-a-constructor");
    sem_post(&done);
    return unused;
}

/* Called by the constructor of library.c. */
void in_a_constructor(void)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    sem_post(&go);
    if (sem_timedwait(&done, &limit))
        puts("the thread waits for the loader");
    sem_wait(&finished);
    create("in-a-constructor", NULL);
}

static int load_constructor(const char *library)
{
    pthread_t thread;
    void *loaded;

    pthread_create(&thread, NULL, create_when_it_may, NULL);
    loaded = dlopen(library, RTLD_NOW);
    pthread_join(thread, NULL);
    return !loaded;
}

static void *live_for_a_while(void *name)
{
    pthread_setname_np(pthread_self(), name);
    usleep(500 * 1000);
    return NULL;
}

static int create_named(const char *name)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, live_for_a_while, (void *)name) || pthread_join(thread, NULL);
}

/* Called by library.c after the creator's part and before the thread exists. */
void before_a_thread(void)
{
    if (resets)
        cuDevicePrimaryCtxReset_v2(device("1"));
}

int create_threads(const char *verb, const char *value)
{
    sem_init(&finished, 0, 0);
    if (is(verb, "posix"))
        return create("posix", NULL);
    if (is(verb, "c11"))
        return create_c11("c11");
    if (is(verb, "detached") || is(verb, "small") || is(verb, "refused"))
        return create_with_attributes(verb);
    if (is(verb, "start"))
        return create_many(verb, atoi(value));
    if (is(verb, "named"))
        return create_named(value);
    if (is(verb, "errno"))
        print_errno();
    else if (is(verb, "in-handler"))
        return signal(SIGUSR1, create_in_handler) == SIG_ERR || raise(SIGUSR1);
    else if (is(verb, "waiter"))
        return create_in_waiter();
    else if (is(verb, "create-cancelled"))
        return cancel_creator();
    else if (is(verb, "cancelled"))
        return cancel_user();
    else if (is(verb, "constructor"))
        return load_constructor(value);
    else if (is(verb, "before"))
        resets = is(value, "reset");
    else
        return UNKNOWN;
    return 0;
}
