/*
 * Addresses by name and version. What dlsym does not find (a symbol hidden in this copy of the
 * library, as on a driver too old for it) is not found here either.
 */
#define _GNU_SOURCE
#include "simulated.h"

#include <dlfcn.h>
#include <string.h>

static struct {
    const char *symbol;
    const char *base;
    int since;
    void *address; /* NULL: hidden in this copy */
} known[ENTRY_POINT_COUNT] = {
#define ENTRY_POINT(symbol, base, since, ...) { #symbol, #base, since, NULL },
#include "entry_points.h"
};

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
static void *find(const char *name, int version, CUdriverProcAddressQueryResult *status)
{
    void *found = NULL;

    *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (int entry = 0; entry < ENTRY_POINT_COUNT; entry++) {
        if (!known[entry].address || known[entry].since > driver.version
            || strcmp(known[entry].base, name) != 0)
            continue;
        if (known[entry].since <= version)
            found = known[entry].address;
        else if (!found)
            *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    }
    if (found)
        *status = CU_GET_PROC_ADDRESS_SUCCESS;
    return found;
}

static bool arguments_are_valid(const char *name, void **address, cuuint64_t flags)
{
    enum { LEGACY_STREAM = 1, PER_THREAD_DEFAULT_STREAM = 2 };

    return name && address && flags <= (LEGACY_STREAM | PER_THREAD_DEFAULT_STREAM);
}

/* The first version refuses what it cannot find and leaves the pointer alone. */
CUresult get_proc_address(const char *name, void **address, int version, cuuint64_t flags)
{
    CUdriverProcAddressQueryResult status;
    void *found;

    if (!arguments_are_valid(name, address, flags))
        return CUDA_ERROR_INVALID_VALUE;
    found = find(name, version, &status);
    if (!found)
        return CUDA_ERROR_NOT_FOUND;
    *address = found;
    return CUDA_SUCCESS;
}

/* The second succeeds either way, clears the pointer and says why in the status. */
CUresult get_proc_address_v2(const char *name, void **address, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status)
{
    CUdriverProcAddressQueryResult found_or_why;

    if (!arguments_are_valid(name, address, flags))
        return CUDA_ERROR_INVALID_VALUE;
    *address = find(name, version, &found_or_why);
    if (status)
        *status = found_or_why;
    return CUDA_SUCCESS;
}
