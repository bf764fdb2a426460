/* The driver's state, and the little that concerns no part of it alone. */
#include "driver.h"
#include "implementations.h"

struct driver driver;

void update_watched(void)
{
    driver.watched =
        driver.has_faults || driver.has_hooks || driver.logs_calls || driver.may_be_locked;
}

CUresult driver_get_version(int *version)
{
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = driver.version;
    return CUDA_SUCCESS;
}
