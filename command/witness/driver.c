/* The driver behind the witness, and its addresses of what is wrapped. */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "old_glibc.h"
#include "witness.h"

#define FUNCTION(name) EXPORTED void name(void);
/* Only their addresses are wanted here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
TRACE_FUNCTIONS(FUNCTION)
#pragma GCC diagnostic pop
#undef FUNCTION

static struct {
    const char *name;
    driver_function ours;
    driver_function real; /* NULL: the driver lacks it, and so does this copy of the witness */
} functions[TRACE_FUNCTION_COUNT] = {
#define FUNCTION(function) [TRACE_##function] = { #function, function, NULL },
    TRACE_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct loaded_object witness, behind;

/*
 * Once, while the library loads: dlsym takes the loader's lock, which a call must not wait for. The
 * driver stays as long as the witness, which is for good: the handle need not be kept.
 */
void find_driver(void)
{
    void *driver = dlopen("libcuda-real.so", RTLD_LAZY | RTLD_NOLOAD);
    find_loaded_object((uintptr_t)functions, &witness);
    for (int function = 1; driver && function < TRACE_FUNCTION_COUNT; function++) {
        functions[function].real = (driver_function)dlsym(driver, functions[function].name);
        if (functions[function].real && !behind.end)
            find_loaded_object((uintptr_t)functions[function].real, &behind);
    }
    if (driver)
        dlclose(driver);
}

driver_function real_function(enum trace_function function)
{
    return functions[function].real;
}

driver_function real_question(const char *name)
{
    return behind.end ? (driver_function)symbol_of_object(&behind, name) : NULL;
}

void *wrapped_in_place_of(void *address)
{
    for (int function = 1; function < TRACE_FUNCTION_COUNT; function++)
        if (address && (void *)functions[function].real == address)
            return (void *)functions[function].ours;
    return address;
}

bool is_witness(uintptr_t address)
{
    return address >= witness.start && address < witness.end;
}
