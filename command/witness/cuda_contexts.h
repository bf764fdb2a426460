/*
 * What a program can ask the witness of cuda-contexts that stands before its driver.
 *
 * The two functions are exported by the witness beside the driver's own: look them up with dlsym on
 * the handle of the loaded libcuda.so.1. Where there is no cuda_contexts_version, there is no
 * witness, and nothing can be asked.
 *
 *   uint32_t (*version)(void) = dlsym(driver, "cuda_contexts_version");
 *
 *   if (version && version() == CUDA_CONTEXTS_INTERFACE)
 *       holders = dlsym(driver, "cuda_contexts_holders");
 *
 * Both may be called at any time, from any thread, from a signal handler and in a forked child: they
 * take no lock, allocate nothing and call no driver.
 */
#ifndef CUDA_CONTEXTS_H
#define CUDA_CONTEXTS_H

#include <stdint.h>

#define CUDA_CONTEXTS_INTERFACE 1

/* The interface that this witness has. Another number is another layout of the struct below. */
uint32_t cuda_contexts_version(void);

/* A library that holds something on a device. 256 bytes. */
struct cuda_contexts_holder {
    uint32_t references; /*   0: references to the primary context by cuDevicePrimaryCtxRetain */
    uint32_t green;      /*   4: references that its green contexts hold, one each */
    uint32_t ordinary;   /*   8: contexts that it made with cuCtxCreate */
    uint32_t reserved;   /*  12: 0 */
    char library[240];   /*  16: path of the library or program, ended by 0; of a longer one the end;
                                 empty: code in no file, such as code made at run time */
};

/*
 * Who holds what on a device, the longest holder first: fills in at most `capacity` of `holders`, and
 * returns how many there are, which may be more; 0 for a device that nobody holds or that is not known.
 * `device` is the CUdevice, as in cuDevicePrimaryCtxRetain.
 *
 * It is what the witness has counted: calls that passed by it are not in it. While other threads call
 * the driver it is a snapshot, each number of one moment.
 */
uint32_t cuda_contexts_holders(int32_t device, struct cuda_contexts_holder *holders,
                                    uint32_t capacity);

#endif
