/*
 * A library to preload: a new thread begins with the primary context that is current on the thread that
 * creates it. Without it, a new thread has no current context, and the CUDA runtime gives it device 0.
 *
 * It changes nothing else. In a process without a CUDA driver, pthread_create and thrd_create are passed
 * through. Creating a thread takes no lock of the loader: the driver's functions are looked up once, on the
 * thread that loads the driver and holds that lock already (__gmon_start__ below).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#define EXPORTED __attribute__((visibility("default")))

/* A smaller stack may have no room for the driver's calls: such a thread is left alone. */
enum { SMALLEST_STACK = 64 * 1024 };

typedef int result; /* CUresult: 0 is success */
typedef int device;
typedef struct context *context;

static struct {
    result (*get_current)(context *);
    result (*set_current)(context);
    result (*get_device)(device *);
    result (*get_state)(device, unsigned int *, int *);
    result (*retain)(context *, device);
    result (*release)(device);
    result (*get_version)(context, unsigned int *);
    uintptr_t begin, end; /* where the driver is mapped */
} driver;

/* Written after all of the above. */
static atomic_bool driver_is_known;

/* What a new thread is given. Its reference keeps the context alive until the thread has it current. */
struct inheritance {
    union {
        void *(*posix)(void *);
        thrd_start_t c11;
    } start;
    void *argument;
    context context;
    device device;
};

static bool is_a_driver(const struct link_map *object)
{
    const char *strings = NULL;
    size_t name = 0;

    for (const ElfW(Dyn) *entry = object->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_SONAME)
            name = entry->d_un.d_val;
    }
    return strings && name && strcmp(strings + name, "libcuda.so.1") == 0;
}

static void note_extent(uintptr_t base)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)base;
    const ElfW(Phdr) *segments = (const ElfW(Phdr) *)(base + header->e_phoff);

    driver.begin = driver.end = base;
    for (size_t index = 0; index < header->e_phnum; index++) {
        uintptr_t end = base + segments[index].p_vaddr + segments[index].p_memsz;

        if (segments[index].p_type == PT_LOAD && end > driver.end)
            driver.end = end;
    }
}

/*
 * Every shared object that a C compiler links calls this weak function when it is loaded, from its own _init
 * and on the thread that holds the loader's lock. So the driver is noticed here, before its first use.
 */
EXPORTED void __gmon_start__(void)
{
    Dl_info info;
    struct link_map *object;
    void *library;

    if (atomic_load_explicit(&driver_is_known, memory_order_relaxed)
        || !dladdr1(__builtin_return_address(0), &info, (void **)&object, RTLD_DL_LINKMAP)
        || !is_a_driver(object))
        return;
    /* It is never closed: the functions stay callable when the program closes the driver. */
    library = dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return;
    note_extent(object->l_addr);
    if ((driver.get_current = dlsym(library, "cuCtxGetCurrent"))
        && (driver.set_current = dlsym(library, "cuCtxSetCurrent"))
        && (driver.get_device = dlsym(library, "cuCtxGetDevice"))
        && (driver.get_state = dlsym(library, "cuDevicePrimaryCtxGetState"))
        && (driver.retain = dlsym(library, "cuDevicePrimaryCtxRetain"))
        && (driver.release = dlsym(library, "cuDevicePrimaryCtxRelease_v2"))
        && (driver.get_version = dlsym(library, "cuCtxGetApiVersion")))
        atomic_store_explicit(&driver_is_known, true, memory_order_release);
}

/* Whether the current context is an active primary context, which is then retained. */
static bool retain_current(struct inheritance *inheritance)
{
    context primary;
    unsigned int flags;
    int active;

    /* The state comes first: to retain an inactive primary context would create it. */
    if (driver.get_current(&inheritance->context) != 0 || !inheritance->context
        || driver.get_device(&inheritance->device) != 0
        || driver.get_state(inheritance->device, &flags, &active) != 0 || !active
        || driver.retain(&primary, inheritance->device) != 0)
        return false;
    if (primary == inheritance->context)
        return true;
    driver.release(inheritance->device);
    return false;
}

/* Returns NULL if the thread inherits nothing. The driver's own threads, whose caller it is, never do. */
static struct inheritance *inheritance_for(const pthread_attr_t *attributes, const void *caller)
{
    struct inheritance *inheritance;
    int old_errno = errno, cancel_state;
    size_t stack;

    if (!atomic_load_explicit(&driver_is_known, memory_order_acquire)
        || ((uintptr_t)caller >= driver.begin && (uintptr_t)caller < driver.end)
        || (attributes && pthread_attr_getstacksize(attributes, &stack) == 0 && stack < SMALLEST_STACK))
        return NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    inheritance = malloc(sizeof(*inheritance));
    if (inheritance && !retain_current(inheritance)) {
        free(inheritance);
        inheritance = NULL;
    }
    pthread_setcancelstate(cancel_state, NULL);
    errno = old_errno;
    return inheritance;
}

/* In the new thread, or in its creator if it did not start. */
static struct inheritance end_inheritance(struct inheritance *inheritance, bool in_new_thread)
{
    struct inheritance copy = *inheritance;
    unsigned int version;
    int old_errno = errno, cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    free(inheritance);
    /* A reset of the device destroys the context whoever retains it. */
    if (in_new_thread && driver.get_version(copy.context, &version) == 0)
        driver.set_current(copy.context);
    driver.release(copy.device);
    pthread_setcancelstate(cancel_state, NULL);
    errno = old_errno;
    return copy;
}

static void *begin_posix(void *inheritance)
{
    struct inheritance copy = end_inheritance(inheritance, true);

    return copy.start.posix(copy.argument);
}

static int begin_c11(void *inheritance)
{
    struct inheritance copy = end_inheritance(inheritance, true);

    return copy.start.c11(copy.argument);
}

/* The first thread is created while it is the only one, so that this look-up waits for nobody. */
static void *next(_Atomic(void *) *function, const char *name)
{
    if (!*function)
        *function = dlsym(RTLD_NEXT, name);
    return *function;
}

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                            void *argument)
{
    static _Atomic(void *) function;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        next(&function, "pthread_create");
    struct inheritance *inheritance = inheritance_for(attributes, __builtin_return_address(0));
    int error;

    if (!inheritance)
        return create(thread, attributes, start, argument);
    inheritance->start.posix = start;
    inheritance->argument = argument;
    error = create(thread, attributes, begin_posix, inheritance);
    if (error)
        end_inheritance(inheritance, false);
    return error;
}

EXPORTED int thrd_create(thrd_t *thread, thrd_start_t start, void *argument)
{
    static _Atomic(void *) function;
    int (*create)(thrd_t *, thrd_start_t, void *) = next(&function, "thrd_create");
    struct inheritance *inheritance = inheritance_for(NULL, __builtin_return_address(0));
    int error;

    if (!inheritance)
        return create(thread, start, argument);
    inheritance->start.c11 = start;
    inheritance->argument = argument;
    error = create(thread, begin_c11, inheritance);
    if (error != thrd_success)
        end_inheritance(inheritance, false);
    return error;
}
