/* A library that calls the client when it is loaded, and, if it is preloaded, before each thread is created. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

static void call(const char *name)
{
    void (*function)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, name);

    if (function)
        function();
}

#ifdef PRELOADED
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");

    call("before_a_thread");
    return create(thread, attributes, start, argument);
}
#else
__attribute__((constructor)) static void begin(void)
{
    call("in_a_constructor");
}
#endif
