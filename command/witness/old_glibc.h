/*
 * A library linked with glibc 2.34 or newer asks for dlopen and its like as of that version, and
 * cannot be loaded beside an older one. They are the same functions as before.
 */
#ifndef CUDA_CONTEXTS_OLD_GLIBC_H
#define CUDA_CONTEXTS_OLD_GLIBC_H

#include <dlfcn.h>

#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver dlopen, dlopen@GLIBC_2.2.5");
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
__asm__(".symver dlclose, dlclose@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver dlopen, dlopen@GLIBC_2.17");
__asm__(".symver dlsym, dlsym@GLIBC_2.17");
__asm__(".symver dlclose, dlclose@GLIBC_2.17");
#endif

#endif
