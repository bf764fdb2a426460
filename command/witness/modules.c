/*
 * The files whose code calls the driver. Each gets an id when it is first seen, and keeps it as long
 * as it is loaded. A table without a lock: one word claims an entry.
 */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "readable.h"
#include "witness.h"

#include <string.h>

enum { MAXIMUM_MODULES = 512, PATH_KEPT = 256, LONGEST_PATH = 4096, NAME_PART = 128, ID_BITS = 24 };

/* The upper bits tell which file it is and where, the lower ones are its id; 0: nobody's. */
static _Atomic uint64_t modules[MAXIMUM_MODULES];
static _Atomic uint64_t places[MAXIMUM_MODULES]; /* where each was seen last */
static struct {
    _Atomic uint32_t length; /* 0: not yet there, or none */
    char text[PATH_KEPT];    /* the end of it */
} paths[MAXIMUM_MODULES];

static char program[LONGEST_PATH];
static size_t program_length;

/* The program's path, for the loader has none for it. */
void note_program(void)
{
    program_length = read_link("/proc/self/exe", program, sizeof program - 1);
}

size_t copy_program_path(char *path, size_t capacity)
{
    size_t length = program_length < capacity ? program_length : capacity;

    memcpy(path, program, length);
    return length;
}

uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static bool is_here(const struct loaded_object *object)
{
    return !object->may_go || is_still_there(&object->mapping);
}

/*
 * Identifies a mapping by what the loader says without a lock, so nothing that may be unloaded is read.
 * With threads, a library that replaced another one of the same layout at the same place keeps the other's id
 * until it calls the driver itself.
 */
static uint64_t place_of(const struct mapping *mapping)
{
    uint64_t hash = mix(mix(mapping->start, mapping->end), (uintptr_t)mapping->map);

    return mix(hash, mapping->mark) | 1;
}

/* What distinguishes the object, and how long its name is; 0 if it cannot be read. */
static uint64_t identity(const struct loaded_object *object, size_t *length)
{
    uint64_t hash = mix(object->mapping.start, object->mapping.end), part[NAME_PART / sizeof hash];
    size_t copied;

    *length = 0;
    do {
        memset(part, 0, sizeof part);
        if (!copy_object_name(object, *length, (char *)part, sizeof part, &copied))
            return 0;
        for (size_t at = 0; at * sizeof hash < copied; at++)
            hash = mix(hash, part[at]);
        *length += copied;
    } while (copied == sizeof part && *length < LONGEST_PATH);
    return mix(hash, *length) >> ID_BITS << ID_BITS;
}

/* Of the path from `offset` on. The loader has none for the program. */
static void copy_path(const struct loaded_object *object, size_t offset, char *to, size_t length)
{
    if (object == NULL)
        memcpy(to, program + offset, length);
    else
        copy_object_name(object, offset, to, length, &length);
}

static void note_module(uint32_t id, const struct loaded_object *object,
                        const struct loaded_object *named, size_t length)
{
    struct trace_module *record = reserve_record(TRACE_MODULE, sizeof *record + length, NULL);

    if (!record)
        return;
    record->start = object->mapping.start;
    record->end = object->mapping.end;
    record->bias = object->bias;
    identify_file(named ? named->name : "/proc/self/exe", &record->device, &record->inode);
    record->id = id;
    copy_path(named, 0, (char *)(record + 1), length);
    record->path_length = is_here(object) ? (uint32_t)length : 0;
    publish_record(record, TRACE_WRITTEN);
}

static uint32_t id_in(uint64_t word)
{
    return (uint32_t)(word & ((1u << ID_BITS) - 1));
}

static uint32_t claim_entry(unsigned entry, uint64_t which, const struct loaded_object *object,
                            size_t length)
{
    uint64_t empty = 0, claimed = which | (next_module_id() & ((1u << ID_BITS) - 1));
    const struct loaded_object *named = length ? object : NULL;
    size_t kept;

    if (!atomic_compare_exchange_strong(&modules[entry], &empty, claimed))
        return (empty ^ which) >> ID_BITS ? 0 : id_in(empty);
    length = named ? length : program_length;
    kept = length < PATH_KEPT ? length : PATH_KEPT;
    copy_path(named, length - kept, paths[entry].text, kept);
    atomic_store_explicit(&paths[entry].length, (uint32_t)kept, memory_order_release);
    note_module(id_in(claimed), object, named, length);
    if (is_here(object))
        return id_in(claimed);
    atomic_store(&modules[entry], id_in(claimed)); /* what was noted may belong to another file */
    return TRACE_UNLOADED;
}

/* What lay there before has been unloaded. */
static void note_place(unsigned entry, const struct loaded_object *object)
{
    uint64_t place = place_of(&object->mapping);

    if (atomic_load_explicit(&places[entry], memory_order_relaxed) == place)
        return;
    for (unsigned other = 0; other < MAXIMUM_MODULES; other++) {
        uint64_t before = place;

        atomic_compare_exchange_strong(&places[other], &before, 0);
    }
    atomic_store(&places[entry], place);
    look_for_python(object);
}

static uint32_t module_of_object(const struct loaded_object *object)
{
    size_t length;
    uint64_t which = identity(object, &length);

    /* If it has been unloaded, the name may belong to another object. */
    if (!which || !is_here(object))
        return TRACE_UNLOADED;
    for (unsigned entry = 0; entry < MAXIMUM_MODULES; entry++) {
        uint64_t word = atomic_load_explicit(&modules[entry], memory_order_acquire);
        uint32_t id = 0;

        if (!word)
            id = claim_entry(entry, which, object, length);
        else if (!((word ^ which) >> ID_BITS))
            id = id_in(word);
        if (id && id != TRACE_UNLOADED)
            note_place(entry, object);
        if (id)
            return id;
    }
    return 0;
}

/* 0: none is known. */
static uint32_t module_at(uint64_t place)
{
    for (unsigned entry = 0; entry < MAXIMUM_MODULES; entry++) {
        uint64_t word = atomic_load_explicit(&modules[entry], memory_order_acquire);

        if (!word)
            break;
        if (atomic_load(&places[entry]) == place)
            return id_in(word);
    }
    return 0;
}

uint32_t module_of_mapping(const struct mapping *mapping)
{
    struct loaded_object object;
    uint32_t id = has_other_threads() ? module_at(place_of(mapping)) : 0;

    if (id)
        return id;
    if (!describe_mapping(mapping, &object))
        return TRACE_UNLOADED;
    id = module_of_object(&object);
    if (object.may_go)
        close_memory(object.memory);
    return id;
}

uint32_t module_of(uintptr_t address, uintptr_t *bias)
{
    struct loaded_object object;

    if (!find_loaded_object(address, &object))
        return 0;
    *bias = object.bias;
    return module_of_object(&object);
}

size_t copy_module_path(uint32_t module, char *path, size_t capacity)
{
    for (unsigned entry = 0; entry < MAXIMUM_MODULES; entry++) {
        uint64_t word = atomic_load_explicit(&modules[entry], memory_order_acquire);
        size_t length, skipped;

        if (!word)
            break;
        if (id_in(word) != module)
            continue;
        length = atomic_load_explicit(&paths[entry].length, memory_order_acquire);
        skipped = length > capacity ? length - capacity : 0;
        memcpy(path, paths[entry].text + skipped, length - skipped);
        return length - skipped;
    }
    return 0;
}
