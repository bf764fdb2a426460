/* Names and texts of the result codes. */
#include "driver.h"
#include "implementations.h"

#include <stdlib.h>

static const struct error {
    unsigned int code;
    int since; /* the driver version that knows it */
    const char *name;
    const char *text;
} errors[] = {
#define ERROR_SINCE(since, code, name, text) { code, since, #name, text },
#include "error_codes.h"
};

static int compare(const void *key, const void *element)
{
    unsigned int code = *(const unsigned int *)key;
    unsigned int other = ((const struct error *)element)->code;

    return (code > other) - (code < other);
}

static const struct error *find(CUresult result)
{
    unsigned int code = (unsigned int)result;
    const struct error *error =
        bsearch(&code, errors, sizeof errors / sizeof *errors, sizeof *errors, compare);

    return error && error->since <= driver.version ? error : NULL;
}

CUresult error_get_name(CUresult result, const char **name)
{
    const struct error *error = find(result);

    if (!name)
        return CUDA_ERROR_INVALID_VALUE;
    *name = error ? error->name : NULL;
    return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult error_get_string(CUresult result, const char **text)
{
    const struct error *error = find(result);

    if (!text)
        return CUDA_ERROR_INVALID_VALUE;
    *text = error ? error->text : NULL;
    return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
