/* A file that the loader has mapped. Looking takes no lock if glibc has _dl_find_object (2.35). */
#ifndef CUDA_CONTEXTS_LOADED_OBJECT_H
#define CUDA_CONTEXTS_LOADED_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loaded_object {
    uintptr_t start, end; /* what it occupies */
    uintptr_t bias;       /* address in memory = address in the file + bias */
    const char *name;     /* "" is the program */
    const ElfW(Dyn) *dynamic;
};

void find_loader_functions(void);
bool find_loaded_object(uintptr_t address, struct loaded_object *object);

/* Calls `look` with every loaded object until it returns true. It takes the loader's lock. */
void each_loaded_object(bool (*look)(const struct loaded_object *object, void *data), void *data);

/* A symbol that the object itself defines, found in its own tables: 0 if it has none. */
uintptr_t symbol_of_object(const struct loaded_object *object, const char *name);

#endif
