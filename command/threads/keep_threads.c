/*
 * A library to preload: a new thread begins with the primary context that is current on its creator, and not on
 * device 0. Nothing else changes, and nothing at all in a process without a driver. Creating a thread takes no
 * lock of the loader: the driver's functions are looked up while it is loaded (__gmon_start__ below).
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

typedef int result, device; /* CUresult, in which 0 is success, and CUdevice */
typedef struct context *context;

#define DRIVER_FUNCTIONS(FUNCTION) \
    FUNCTION(cuCtxGetCurrent, context *) \
    FUNCTION(cuCtxSetCurrent, context) \
    FUNCTION(cuCtxGetDevice, device *) \
    FUNCTION(cuCtxGetApiVersion, context, unsigned int *) \
    FUNCTION(cuDevicePrimaryCtxGetState, device, unsigned int *, int *) \
    FUNCTION(cuDevicePrimaryCtxRetain, context *, device) \
    FUNCTION(cuDevicePrimaryCtxRelease_v2, device)
#define FIELD(name, ...) result (*name)(__VA_ARGS__);
#define AND_LOOK_UP(name, ...) && (driver.name = dlsym(library, #name))

static struct {
    DRIVER_FUNCTIONS(FIELD)
    uintptr_t begin, end; /* where the driver is mapped */
} driver;
static atomic_bool driver_is_known; /* written last */

/* `cuda-contexts trace --keep-threads` sets it, and records threads by it. */
_Atomic(void (*)(device)) cuda_contexts_thread_started;

/* What a new thread is given. Its reference keeps the context alive until the thread has it current. */
struct inheritance {
    void *start; /* a function of POSIX or of C11 */
    void *argument;
    context context;
    device device;
};

static bool is_a_driver(const struct link_map *object)
{
    const char *strings = NULL;
    size_t name = 0;

    for (const ElfW(Dyn) *entry = object->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_SONAME)
            name = entry->d_un.d_val;
    return strings && name && strcmp(strings + name, "libcuda.so.1") == 0;
}

/*
 * Every shared object that a C compiler links calls this weak function when it is loaded, from its own _init
 * and on the thread that holds the loader's lock. So the driver is noticed here, before its first use.
 */
void __gmon_start__(void)
{
    struct link_map *object;
    Dl_info info;

    if (atomic_load_explicit(&driver_is_known, memory_order_relaxed)
        || !dladdr1(__builtin_return_address(0), &info, (void **)&object, RTLD_DL_LINKMAP)
        || !is_a_driver(object))
        return;
    /* It is never closed: the functions stay callable when the program closes the driver. */
    void *library = dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
    const ElfW(Ehdr) *header = info.dli_fbase;
    const ElfW(Phdr) *segments = (const void *)((const char *)header + header->e_phoff);
    driver.begin = object->l_addr;
    for (size_t index = 0; index < header->e_phnum; index++)
        if (segments[index].p_type == PT_LOAD) /* in the order of their addresses */
            driver.end = driver.begin + segments[index].p_vaddr + segments[index].p_memsz;
    if (library DRIVER_FUNCTIONS(AND_LOOK_UP))
        atomic_store_explicit(&driver_is_known, true, memory_order_release);
}

/* Retains the current context if it is an active primary one. Retaining an inactive one would create it. */
static bool retain_current(struct inheritance *held)
{
    context primary;
    unsigned int flags;
    int active;

    if (driver.cuCtxGetCurrent(&held->context) != 0 || !held->context || driver.cuCtxGetDevice(&held->device) != 0
        || driver.cuDevicePrimaryCtxGetState(held->device, &flags, &active) != 0 || !active
        || driver.cuDevicePrimaryCtxRetain(&primary, held->device) != 0)
        return false;
    if (primary == held->context)
        return true;
    driver.cuDevicePrimaryCtxRelease_v2(held->device);
    return false;
}

/* AddressSanitizer's runtime refuses to start behind a preloaded library. This one calls the runtime's functions. */
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}

static int (*next_posix)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*next_c11)(thrd_t *, thrd_start_t, void *);
static pthread_attr_t defaults;

/* Returns NULL for the driver's own threads, and for those whose stack may be too small for the driver's calls. */
static struct inheritance *inheritance_for(const pthread_attr_t *attributes, const void *caller)
{
    struct inheritance *inheritance;
    int old_errno = errno, cancel_state;
    size_t stack;

    if (!next_posix) { /* dlsym takes the loader's lock, which nobody else holds while there is one thread. */
        next_c11 = dlsym(RTLD_NEXT, "thrd_create");
        next_posix = dlsym(RTLD_NEXT, "pthread_create");
        pthread_attr_init(&defaults);
    }
    if (!atomic_load_explicit(&driver_is_known, memory_order_acquire)
        || ((uintptr_t)caller >= driver.begin && (uintptr_t)caller < driver.end)
        || pthread_attr_getstacksize(attributes ? attributes : &defaults, &stack) != 0 || stack < 64 * 1024)
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

/* In the new thread, or in its creator if the thread did not start. */
static struct inheritance end_inheritance(struct inheritance *inheritance, bool in_new_thread)
{
    struct inheritance copy = *inheritance;
    unsigned int version;
    int old_errno = errno, cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    free(inheritance);
    /* A reset of the device destroys the context whoever retains it. */
    if (in_new_thread && driver.cuCtxGetApiVersion(copy.context, &version) == 0
        && driver.cuCtxSetCurrent(copy.context) == 0 && cuda_contexts_thread_started)
        cuda_contexts_thread_started(copy.device);
    driver.cuDevicePrimaryCtxRelease_v2(copy.device);
    pthread_setcancelstate(cancel_state, NULL);
    errno = old_errno;
    return copy;
}

static void *begin(void *inheritance)
{
    struct inheritance copy = end_inheritance(inheritance, true);

    return ((void *(*)(void *))copy.start)(copy.argument);
}

static int begin_c11(void *inheritance)
{
    struct inheritance copy = end_inheritance(inheritance, true);

    return ((thrd_start_t)copy.start)(copy.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    struct inheritance *inheritance = inheritance_for(attributes, __builtin_return_address(0));

    if (!inheritance)
        return next_posix(thread, attributes, start, argument);
    inheritance->start = (void *)start;
    inheritance->argument = argument;
    int error = next_posix(thread, attributes, begin, inheritance);
    if (error)
        end_inheritance(inheritance, false);
    return error;
}

int thrd_create(thrd_t *thread, thrd_start_t start, void *argument)
{
    struct inheritance *inheritance = inheritance_for(NULL, __builtin_return_address(0));

    if (!inheritance)
        return next_c11(thread, start, argument);
    inheritance->start = (void *)start;
    inheritance->argument = argument;
    int error = next_c11(thread, begin_c11, inheritance);
    if (error != thrd_success)
        end_inheritance(inheritance, false);
    return error;
}
