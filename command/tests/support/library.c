/*
 * A library that calls the driver: for its caller, and from its destructor, as CUDA's runtime does. With
 * -DPLUGIN its constructor calls the driver, with -DCONSTRUCTOR the client; with -DPRELOADED it calls the client
 * before each thread; with -DHOOK it hooks dlsym as products that limit memory do; with -DPYTHON it also
 * looks like an interpreter. With -DHELPER it is what one with -DHELPED calls the driver through.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(PYTHON)
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
#endif

#if defined(PLUGIN)
int cuInit(unsigned int) __attribute__((weak));

__attribute__((constructor)) static void early(void)
{
    printf("early %d\n", cuInit ? cuInit(0) : -1);
}
#elif defined(CONSTRUCTOR)
__attribute__((constructor)) static void begin(void)
{
    ((void (*)(void))dlsym(RTLD_DEFAULT, "in_a_constructor"))();
}
#elif defined(PRELOADED)
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    void (*before)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "before_a_thread");

    if (before)
        before();
    return create(thread, attributes, start, argument);
}
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
#elif defined(HELPER)
int retain_for(int (*function)(void **, int), void **context, int device)
{
    int result = function(context, device);

    __asm__ volatile("" ::: "memory");
    return result;
}
#else
#if defined(HELPED)
int retain_for(int (*function)(void **, int), void **context, int device);
#else
#define retain_for(function, context, device) function(context, device)
#endif

int retain(int (*function)(void **, int), void **context, int device)
{
    int result = retain_for(function, context, device);

    __asm__ volatile("" ::: "memory"); /* no tail call: the caller is this library */
    return result;
}

int release(int (*function)(int), int device)
{
    int result = function(device);

    __asm__ volatile("" ::: "memory");
    return result;
}

int destroy(int (*function)(void *), void *context)
{
    int result = function(context);

    __asm__ volatile("" ::: "memory");
    return result;
}

static int (*function)(int);
static int device;

void call_at_the_end(int (*which)(int), int handle)
{
    function = which;
    device = handle;
}

__attribute__((destructor)) static void end(void)
{
    if (function)
        printf("late %d\n", function(device));
}
#endif
