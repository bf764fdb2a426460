/*
 * A program that creates threads as its arguments say: client init retain:1 posix c11 …
 * Each thread prints which device is current in it. See `run` for the words.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static void *driver;
/* Looked up once: a thread that asks while another one loads a library would wait for it. */
static int (*get_current)(void **), (*get_device)(int *), (*device_at)(int *, int);
static sem_t finished, go, done;
static const char *creator;

static int call(const char *name, void *first, void *second)
{
    int (*function)(void *, void *) = (int (*)(void *, void *))dlsym(driver, name);

    return function ? function(first, second) : -1;
}

static void *value(long number)
{
    return (void *)number;
}

static int device(const char *ordinal)
{
    int handle = -1;

    device_at(&handle, atoi(ordinal));
    return handle;
}

/* The ordinal of the current context's device. */
static int current(void)
{
    void *context = NULL;
    int handle = -1, other;

    if (!driver || get_current(&context) || !context || get_device(&handle))
        return -1;
    for (int ordinal = 0; device_at(&other, ordinal) == 0; ordinal++)
        if (other == handle)
            return ordinal;
    return -1;
}

static void show(const char *kind)
{
    printf("%s %d\n", kind, current());
    fflush(stdout);
}

static void *start(void *kind)
{
    show(kind);
    sem_post(&finished);
    return kind;
}

static void *start_named(void *name)
{
    pthread_setname_np(pthread_self(), name);
    usleep(500 * 1000);
    return NULL;
}

static int start_c11(void *kind)
{
    show(kind);
    return 7;
}

static void *quiet(void *right)
{
    return value(current() == (int)(long)right);
}

static void *wait_for_cancellation(void *kind)
{
    pthread_t thread;

    pthread_cancel(pthread_self());
    pthread_create(&thread, NULL, start, kind);
    puts("created");
    sem_wait(&finished);
    return NULL;
}

/* It creates a thread while another thread holds the loader's lock. */
static void *create_when_it_may(void *unused)
{
    thrd_t thread;

    sem_wait(&go);
    thrd_create(&thread, start_c11, "beside-a-constructor");
    thrd_join(thread, NULL);
    sem_post(&done);
    return unused;
}

/* Called by the constructor of library.c. */
void in_a_constructor(void)
{
    struct timespec limit;
    pthread_t thread;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    sem_post(&go);
    if (sem_timedwait(&done, &limit))
        puts("the thread waits for the loader");
    pthread_create(&thread, NULL, start, "in-a-constructor");
    pthread_join(thread, NULL);
}

/* Called by library.c after the creator's part and before the thread exists. */
void before_a_thread(void)
{
    if (creator && !strcmp(creator, "reset"))
        call("cuDevicePrimaryCtxReset_v2", value(device("1")), NULL);
}

static void create(const char *kind, const pthread_attr_t *attributes, int joined)
{
    pthread_t thread;
    int error = pthread_create(&thread, attributes, start, (void *)kind);
    void *returned = NULL;

    if (error) {
        printf("%s %s\n", kind, strerrorname_np(error));
        return;
    }
    sem_wait(&finished);
    if (joined && (pthread_join(thread, &returned) || returned != kind))
        puts("another result");
}

static void with_attributes(const char *kind)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    if (!strcmp(kind, "small"))
        pthread_attr_setstacksize(&attributes, 32 * 1024);
    else if (!strcmp(kind, "refused"))
        pthread_attr_setstacksize(&attributes, (size_t)1 << 50);
    else
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    create(kind, &attributes, strcmp(kind, "detached"));
    pthread_attr_destroy(&attributes);
}

static void many(int count)
{
    int right = 0, ordinal = current();

    for (int first = 0; first < count; first += 100) {
        pthread_t threads[100];
        void *returned;

        for (int index = 0; index < 100; index++)
            pthread_create(&threads[index], NULL, quiet, value(ordinal));
        for (int index = 0; index < 100; index++) {
            pthread_join(threads[index], &returned);
            right += returned != NULL;
        }
    }
    printf("many %d\n", right);
}

static void run(char **words)
{
    void *context = NULL, *returned = NULL;
    pthread_t thread;
    thrd_t c11;
    int status = 0, references;

    for (; *words; words++) {
        char *word = *words, *colon = strchr(word, ':');
        const char *argument = colon ? colon + 1 : "";
        size_t length = colon ? (size_t)(colon - word) : strlen(word);
#define IS(name) (length == sizeof(name) - 1 && !strncmp(word, name, length))
        if (IS("init")) {
            driver = dlopen("libcuda.so.1", RTLD_NOW);
            get_current = (int (*)(void **))dlsym(driver, "cuCtxGetCurrent");
            get_device = (int (*)(int *))dlsym(driver, "cuCtxGetDevice");
            device_at = (int (*)(int *, int))dlsym(driver, "cuDeviceGet");
            call("cuInit", NULL, NULL);
        } else if (IS("retain")) {
            call("cuDevicePrimaryCtxRetain", &context, value(device(argument)));
            call("cuCtxSetCurrent", context, NULL);
        } else if (IS("release")) {
            call("cuDevicePrimaryCtxRelease_v2", value(device(argument)), NULL);
        } else if (IS("ordinary")) { /* a context that is not primary, beside a primary one */
            ((int (*)(void **, unsigned, int))dlsym(driver, "cuCtxCreate_v2"))(&context, 0, device(argument));
        } else if (IS("references")) { /* takes them all */
            references = 0;
            while (call("cuDevicePrimaryCtxRelease_v2", value(device(argument)), NULL) == 0)
                references++;
            printf("references %d\n", references);
        } else if (IS("close")) {
            dlclose(driver);
        } else if (IS("reopen")) {
            driver = dlopen("libcuda.so.1", RTLD_NOW);
        } else if (IS("posix")) {
            create("posix", NULL, 1);
        } else if (IS("c11")) {
            thrd_create(&c11, start_c11, "c11");
            thrd_join(c11, &status);
            if (status != 7)
                puts("another result");
        } else if (IS("named")) { /* its thread lives for half a second */
            pthread_create(&thread, NULL, start_named, (void *)argument);
            pthread_join(thread, NULL);
        } else if (IS("detached") || IS("small") || IS("refused")) {
            with_attributes(word);
        } else if (IS("errno")) {
            errno = EXDEV;
            pthread_create(&thread, NULL, quiet, NULL);
            printf("errno %s\n", strerrorname_np(errno));
            pthread_join(thread, NULL);
        } else if (IS("many")) {
            many(atoi(argument));
        } else if (IS("cancelled")) {
            pthread_create(&thread, NULL, wait_for_cancellation, "cancelled");
            pthread_join(thread, &returned);
            sem_wait(&finished);
            puts(returned == PTHREAD_CANCELED ? "was cancelled" : "was not cancelled");
        } else if (IS("constructor")) {
            pthread_create(&thread, NULL, create_when_it_may, NULL);
            if (!dlopen(argument, RTLD_NOW))
                puts(dlerror());
            pthread_join(thread, NULL);
        } else if (IS("before")) {
            creator = argument;
        } else if (IS("fork")) { /* the child goes on */
            fflush(stdout);
            if (fork()) {
                wait(&status);
                exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            }
        } else {
            printf("what is %s?\n", word);
            exit(91);
        }
    }
}

int main(int count, char **words)
{
    sem_init(&finished, 0, 0);
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    run(words + (count > 0));
    return 0;
}
