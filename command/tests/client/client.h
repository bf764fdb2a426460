/* What the client's files share. */
#ifndef CLIENT_H
#define CLIENT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FUNCTIONS(F)                                                                               \
    F(cuInit, (unsigned int))                                                                      \
    F(cuDeviceGet, (int *, int))                                                                   \
    F(cuDevicePrimaryCtxRetain, (void **, int))                                                    \
    F(cuDevicePrimaryCtxRelease, (int))                                                            \
    F(cuDevicePrimaryCtxRelease_v2, (int))                                                         \
    F(cuDevicePrimaryCtxReset, (int))                                                              \
    F(cuDevicePrimaryCtxReset_v2, (int))                                                           \
    F(cuDevicePrimaryCtxGetState, (int, unsigned int *, int *))                                    \
    F(cuCtxCreate_v2, (void **, unsigned int, int))                                                \
    F(cuCtxCreate_v3, (void **, void *, int, unsigned int, int))                                   \
    F(cuCtxCreate_v4, (void **, void *, unsigned int, int))                                        \
    F(cuGLCtxCreate_v2, (void **, unsigned int, int))                                              \
    F(cuCtxDestroy_v2, (void *))                                                                   \
    F(cuCtxGetCurrent, (void **))                                                                  \
    F(cuCtxSetCurrent, (void *))                                                                   \
    F(cuCtxGetDevice, (int *))                                                                     \
    F(cuDeviceGetDevResource, (int, void *, int))                                                  \
    F(cuDevResourceGenerateDesc, (void **, void *, unsigned int))                                  \
    F(cuGreenCtxCreate, (void **, void *, int, unsigned int))                                      \
    F(cuGreenCtxDestroy, (void *))                                                                 \
    F(cuGetProcAddress_v2, (const char *, void **, int, uint64_t, int *))

/* Looked up when the driver is opened. */
#define F(name, types) extern int(*name) types __attribute__((visibility("hidden")));
FUNCTIONS(F)
#undef F

extern void *driver; /* NULL: not opened yet */
extern void *by;     /* the library that makes the calls; NULL: this program */
extern char **words; /* those that come next */

void open_driver(void); /* once */
int device(const char *ordinal);
int retain(int handle);
int release(int handle);
int retain_and_release(int handle); /* the sum of the results */

/* Each does what a word says, with what stands behind its colon, and returns a driver's result; UNKNOWN: not its word. */
enum { UNKNOWN = INT_MIN };
int call_driver(const char *verb, const char *value);
int control_process(const char *verb, const char *value);
int filter_calls(unsigned call, unsigned third, unsigned action); /* by seccomp */
int call_in_places(const char *verb, const char *value);
int show(const char *verb, const char *value);
int create_threads(const char *verb, const char *value);

static inline bool is(const char *verb, const char *name)
{
    return strcmp(verb, name) == 0;
}

#endif
