/* Names of the result codes, which are also their texts: those of NVIDIA's driver are its own. */
#include "driver.h"

static const struct error {
    unsigned int code;
    int since; /* the driver version that knows it */
    const char *name;
} errors[] = {
#define ERROR(code, name, since) { code, since, #name },
#include "error_codes.h"
};

CUresult error_get_name(CUresult result, const char **name)
{
    if (!name)
        return CUDA_ERROR_INVALID_VALUE;
    *name = NULL;
    for (size_t index = 0; index < sizeof errors / sizeof *errors; index++)
        if (errors[index].code == (unsigned int)result && errors[index].since <= driver.version)
            *name = errors[index].name;
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
