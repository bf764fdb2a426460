/*
 * Addresses by name and version. What dlsym does not find (a symbol hidden in this copy of the
 * library, as on a driver too old for it) is not found here either.
 */
#define _GNU_SOURCE
#include "watched_calls.h"

#include <dlfcn.h>
#include <string.h>

enum { LEGACY_DEFAULT_STREAM = 1, PER_THREAD_DEFAULT_STREAM = 2 };

static struct {
    const char *symbol;
    int since;
    void *address; /* NULL: hidden in this copy */
} known[ENTRY_POINT_COUNT] = {
#define ENTRY_POINT(symbol, since, ...) { #symbol, since, NULL },
#include "entry_points.h"
};

const char *entry_point_name(enum entry_point entry)
{
    return known[entry].symbol;
}

int entry_point_index(const char *name)
{
    for (int entry = 0; name && entry < ENTRY_POINT_COUNT; entry++)
        if (!strcmp(known[entry].symbol, name))
            return entry;
    return -1;
}

/* The name is what the symbol has before _v2, _v3, … and before _ptsz or _ptds, which end the symbols of functions
   for the default stream of each thread. */
static bool is_called(const char *symbol, const char *name, bool per_thread)
{
    size_t length = strcspn(symbol, "_");

    return !strncmp(symbol, name, length) && !name[length]
           && (strstr(symbol + length, "_pt") != NULL) == per_thread;
}

/* Once, while the library loads: dlsym takes the loader's lock, which a call must not wait for. */
void resolve_entry_points(void)
{
    Dl_info here;
    void *library;

    if (!dladdr((void *)known, &here))
        return;
    library = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    for (int entry = 0; library && entry < ENTRY_POINT_COUNT; entry++)
        known[entry].address = dlsym(library, known[entry].symbol);
}

/*
 * The newest generation that the version asked for has. A version newer than the driver is fine: it
 * gets the newest that there is.
 */
static void *find_newest(const char *name, int version, bool per_thread,
                         CUdriverProcAddressQueryResult *status)
{
    void *found = NULL;
    int newest = 0;

    *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (int entry = 0; entry < ENTRY_POINT_COUNT; entry++) {
        if (!known[entry].address || known[entry].since > driver.version
            || !is_called(known[entry].symbol, name, per_thread))
            continue;
        if (known[entry].since > version) {
            *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        } else if (known[entry].since > newest) {
            newest = known[entry].since;
            found = known[entry].address;
        }
    }
    if (found)
        *status = CU_GET_PROC_ADDRESS_SUCCESS;
    return found;
}

/* Most functions are the same for every default stream. */
static void *find(const char *name, int version, cuuint64_t flags,
                  CUdriverProcAddressQueryResult *status)
{
    void *found = NULL;

    if (flags & PER_THREAD_DEFAULT_STREAM)
        found = find_newest(name, version, true, status);
    return found ? found : find_newest(name, version, false, status);
}

/* The first generation refuses what it cannot find and leaves the pointer alone. The second succeeds either way, clears
   the pointer and says why in the status. */
CUresult get_proc_address(const char *name, void **address, int version, cuuint64_t flags,
                          CUdriverProcAddressQueryResult *status, int generation)
{
    CUdriverProcAddressQueryResult found_or_why;
    void *found;

    if (!name || !address || flags > (LEGACY_DEFAULT_STREAM | PER_THREAD_DEFAULT_STREAM))
        return CUDA_ERROR_INVALID_VALUE;
    found = find(name, version, flags, &found_or_why);
    if (!found && generation == 1)
        return CUDA_ERROR_NOT_FOUND;
    *address = found;
    if (status)
        *status = found_or_why;
    return CUDA_SUCCESS;
}
