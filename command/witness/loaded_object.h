/* A file that the loader has mapped. Looking takes no lock where glibc has _dl_find_object (2.35). */
#ifndef CUDA_CONTEXTS_LOADED_OBJECT_H
#define CUDA_CONTEXTS_LOADED_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loaded_object {
    uintptr_t start, end;       /* what it occupies */
    uintptr_t bias;             /* address in memory = address in the file + bias */
    const char *name;           /* "" is the program */
    const ElfW(Phdr) *segments; /* NULL: not in memory */
    size_t segment_count;
};

void find_loader_functions(void);
bool find_loaded_object(uintptr_t address, struct loaded_object *object);

/* A symbol that the object itself defines, found in its own tables: 0 if it has none. */
uintptr_t symbol_of_object(const struct loaded_object *object, const char *name);

#endif
