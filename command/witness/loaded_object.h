/* A file that the loader has mapped. Looking takes no lock if glibc has _dl_find_object (2.35). */
#ifndef CUDA_CONTEXTS_LOADED_OBJECT_H
#define CUDA_CONTEXTS_LOADED_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an object lies: values alone, for another thread may unload it at any time. */
struct mapping {
    uintptr_t start, end;
    const struct link_map *map; /* what the loader frees with the object; NULL before glibc 2.35 */
    uintptr_t mark; /* where its table for unwinding lies; before glibc 2.35, a hash of its name */
};

struct loaded_object {
    struct mapping mapping;
    uintptr_t bias;   /* address in memory = address in the file + bias */
    const char *name; /* "" is the program */
    const ElfW(Dyn) *dynamic;
    bool may_go; /* another thread may unload it: then only the kernel reads its name and its memory */
    long memory; /* if so: see open_memory() */
};

void find_loader_functions(void);
bool has_other_threads(void);

/* The object of code that runs, which nobody unloads meanwhile. */
bool find_loaded_object(uintptr_t address, struct loaded_object *object);

/* Nothing of the object is read. */
bool find_mapping(uintptr_t address, struct mapping *mapping);
bool is_still_there(const struct mapping *mapping);

/* The object that lies there; false if it has been unloaded. The caller closes `memory` if it may go. */
bool describe_mapping(const struct mapping *mapping, struct loaded_object *object);

/* Calls `look` with every loaded object until it returns true. It takes the loader's lock. */
void each_loaded_object(bool (*look)(const struct loaded_object *object, void *data), void *data);

/* At most `capacity` letters of its name from `offset` on, and how many there are; false if it cannot be read. */
bool copy_object_name(const struct loaded_object *object, size_t offset, char *to, size_t capacity,
                      size_t *length);

/* False if it does not lie within the object, or the object has been unloaded. */
bool read_object(const struct loaded_object *object, uintptr_t address, void *to, size_t size);

/* A symbol that the object itself defines, found in its own tables: 0 if it has none. */
uintptr_t symbol_of_object(const struct loaded_object *object, const char *name);

#endif
