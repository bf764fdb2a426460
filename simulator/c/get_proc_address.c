/*
 * Addresses by name and version. What dlsym does not find (a symbol hidden in this copy of the
 * library, as on a driver too old for it) is not found here either.
 */
#define _GNU_SOURCE
#include "implementations.h"
#include "process.h"
#include "watched_calls.h"

#include <dlfcn.h>
#include <string.h>

enum { LEGACY_DEFAULT_STREAM = 1, PER_THREAD_DEFAULT_STREAM = 2 };

static struct {
    const char *symbol;
    size_t base; /* length of the part of the symbol that cuGetProcAddress knows it by */
    int since;
    void *address; /* NULL: hidden in this copy, or a function for the default stream of each thread */
} known[ENTRY_POINT_COUNT] = {
#define ENTRY_POINT(symbol, since, ...) { #symbol, 0, since, NULL },
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

/* Takes _v2, _v3, … from the end. */
static size_t length_of_base(const char *symbol)
{
    size_t length = strlen(symbol);
    const char *generation = strstr(symbol, "_v");

    return generation && symbol + length == generation + sizeof "_v2" - 1
               ? (size_t)(generation - symbol)
               : length;
}

static bool is_for_each_thread(const char *symbol)
{
    return strstr(symbol, "_ptsz") || strstr(symbol, "_ptds");
}

static bool is_base(int entry, const char *name)
{
    return !strncmp(known[entry].symbol, name, known[entry].base) && !name[known[entry].base];
}

/* Once, while the library loads: dlsym takes the loader's lock, which a call must not wait for. */
void resolve_entry_points(void)
{
    Dl_info here;
    void *library;

    if (!dladdr((void *)known, &here))
        return;
    library = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    for (int entry = 0; library && entry < ENTRY_POINT_COUNT; entry++) {
        const char *symbol = known[entry].symbol;

        known[entry].base = length_of_base(symbol);
        known[entry].address = is_for_each_thread(symbol) ? NULL : dlsym(library, symbol);
    }
}

/*
 * The newest generation that the version asked for has. A version newer than the driver is fine: it
 * gets the newest that there is. Default streams have no order here, so that of each thread has no function of
 * its own.
 */
static void *find(const char *name, int version, CUdriverProcAddressQueryResult *status)
{
    void *found = NULL;
    int newest = 0;

    *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (int entry = 0; entry < ENTRY_POINT_COUNT; entry++) {
        if (!known[entry].address || known[entry].since > driver.version || !is_base(entry, name))
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

static bool arguments_are_valid(const char *name, void **address, cuuint64_t flags)
{
    return name && address && flags <= (LEGACY_DEFAULT_STREAM | PER_THREAD_DEFAULT_STREAM);
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
