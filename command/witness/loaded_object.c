#define _GNU_SOURCE
#include "loaded_object.h"
#include "readable.h"

#include <string.h>

/*
 * glibc's struct dl_find_object, which older headers lack. dladdr would find the same, but it waits
 * for the loader's lock, which a thread holds that runs a constructor and may wait for this one.
 */
struct found {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[8];
};

static int (*find_object)(void *address, struct found *found);

/* Of glibc since 2.32. */
extern __attribute__((weak)) char __libc_single_threaded;

bool has_other_threads(void)
{
    return !&__libc_single_threaded || !__libc_single_threaded;
}

struct search {
    bool (*look)(const struct loaded_object *object, void *data);
    void *data;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    const struct search *search = data;
    struct loaded_object object = { .mapping.start = UINTPTR_MAX,
                                    .bias = info->dlpi_addr,
                                    .name = info->dlpi_name ? info->dlpi_name : "" };
    struct mapping *mapping = &object.mapping;

    (void)size;
    for (size_t index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        uintptr_t first = info->dlpi_addr + segment->p_vaddr, end = first + segment->p_memsz;

        if (segment->p_type == PT_DYNAMIC)
            object.dynamic = (const ElfW(Dyn) *)first;
        if (segment->p_type != PT_LOAD)
            continue;
        mapping->start = first < mapping->start ? first : mapping->start;
        mapping->end = end > mapping->end ? end : mapping->end;
    }
    mapping->start &= ~(uintptr_t)4095;
    return mapping->end && search->look(&object, search->data);
}

void each_loaded_object(bool (*look)(const struct loaded_object *object, void *data), void *data)
{
    struct search search = { look, data };

    dl_iterate_phdr(look_at, &search);
}

static bool has_find_object(const struct loaded_object *object, void *data)
{
    (void)data;
    find_object = (int (*)(void *, struct found *))symbol_of_object(object, "_dl_find_object");
    return find_object;
}

/* Not by dlsym, which others hook. */
void find_loader_functions(void)
{
    each_loaded_object(has_find_object, NULL);
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;

    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

struct wanted {
    uintptr_t address;
    struct loaded_object *object;
};

static bool has_address(const struct loaded_object *object, void *data)
{
    const struct wanted *wanted = data;

    if (wanted->address < object->mapping.start || wanted->address >= object->mapping.end)
        return false;
    *wanted->object = *object;
    wanted->object->mapping.mark = gnu_hash(object->name);
    return true;
}

/* Before glibc 2.35. */
static bool find_with_lock(uintptr_t address, struct loaded_object *object)
{
    struct wanted wanted = { address, object };

    object->mapping.end = 0;
    each_loaded_object(has_address, &wanted);
    return object->mapping.end;
}

bool find_mapping(uintptr_t address, struct mapping *mapping)
{
    struct loaded_object object;
    struct found found;

    if (!find_object) {
        if (!find_with_lock(address, &object))
            return false;
        *mapping = object.mapping;
        return true;
    }
    if (find_object((void *)address, &found) != 0 || !found.link_map)
        return false;
    *mapping = (struct mapping){ (uintptr_t)found.map_start, (uintptr_t)found.map_end, found.link_map,
                                 (uintptr_t)found.eh_frame };
    return true;
}

bool is_still_there(const struct mapping *mapping)
{
    struct mapping found;

    return find_mapping(mapping->start, &found) && found.start == mapping->start
        && found.end == mapping->end && found.map == mapping->map && found.mark == mapping->mark;
}

bool find_loaded_object(uintptr_t address, struct loaded_object *object)
{
    if (!find_object)
        return find_with_lock(address, object);
    if (!find_mapping(address, &object->mapping))
        return false;
    object->bias = object->mapping.map->l_addr;
    object->name = object->mapping.map->l_name;
    object->dynamic = object->mapping.map->l_ld;
    object->may_go = false;
    return true;
}

static bool describe_passing(const struct mapping *mapping, struct loaded_object *object, long memory)
{
    struct link_map map;

    if (!mapping->map) {
        if (!find_with_lock(mapping->start, object))
            return false;
    } else {
        if (copy_passing_memory(memory, (uintptr_t)mapping->map, &map, sizeof map) != sizeof map)
            return false;
        *object = (struct loaded_object){ .mapping = *mapping,
                                          .bias = map.l_addr,
                                          .name = map.l_name,
                                          .dynamic = map.l_ld };
    }
    object->may_go = true;
    object->memory = memory;
    return is_still_there(mapping);
}

bool describe_mapping(const struct mapping *mapping, struct loaded_object *object)
{
    long memory;

    if (!has_other_threads())
        return find_loaded_object(mapping->start, object);
    memory = open_memory();
    if (describe_passing(mapping, object, memory))
        return true;
    close_memory(memory);
    return false;
}

bool copy_object_name(const struct loaded_object *object, size_t offset, char *to, size_t capacity,
                      size_t *length)
{
    const char *name = object->name + offset;

    if (object->may_go) {
        size_t copied = copy_passing_memory(object->memory, (uintptr_t)name, to, capacity);

        *length = strnlen(to, copied);
        return *length < copied || copied == capacity;
    }
    *length = strnlen(name, capacity);
    memcpy(to, name, *length);
    return true;
}

bool read_object(const struct loaded_object *object, uintptr_t address, void *to, size_t size)
{
    const struct mapping *mapping = &object->mapping;

    if (address < mapping->start || address >= mapping->end || size > mapping->end - address)
        return false;
    if (object->may_go)
        return copy_passing_memory(object->memory, address, to, size) == size;
    memcpy(to, (const void *)address, size);
    return true;
}

/* What the dynamic section says of symbols. */
struct symbols {
    const struct loaded_object *object;
    uintptr_t table, names, hash, old_hash; /* DT_GNU_HASH, DT_HASH */
};

static struct symbols symbols_of(const struct loaded_object *object)
{
    struct symbols symbols = { .object = object };
    ElfW(Dyn) entry;

    for (uintptr_t at = (uintptr_t)object->dynamic; read_object(object, at, &entry, sizeof entry)
                                                    && entry.d_tag != DT_NULL;
         at += sizeof entry) {
        uintptr_t address = entry.d_un.d_ptr;

        /* glibc has added the bias already, but for the vDSO. */
        if (address < object->mapping.start)
            address += object->bias;
        if (entry.d_tag == DT_SYMTAB)
            symbols.table = address;
        if (entry.d_tag == DT_STRTAB)
            symbols.names = address;
        if (entry.d_tag == DT_GNU_HASH)
            symbols.hash = address;
        if (entry.d_tag == DT_HASH)
            symbols.old_hash = address;
    }
    return symbols;
}

/* An element of a table. */
static bool read_element(const struct symbols *symbols, uintptr_t table, uint64_t index, void *to,
                         size_t size)
{
    uintptr_t address;

    return !__builtin_mul_overflow(index, size, &address)
        && !__builtin_add_overflow(address, table, &address)
        && read_object(symbols->object, address, to, size);
}

/* 0 if it is not in the object. */
static uint32_t number(const struct symbols *symbols, uintptr_t table, uint64_t index)
{
    uint32_t found;

    return read_element(symbols, table, index, &found, sizeof found) ? found : 0;
}

static uint32_t old_hash(const char *name)
{
    uint32_t hash = 0;

    for (; *name; name++) {
        hash = (hash << 4) + (unsigned char)*name;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    return hash;
}

/* The value of the symbol with this number if it has this name and is defined; else 0. */
static uintptr_t value_of(const struct symbols *symbols, uint64_t index, const char *name)
{
    size_t length = strlen(name) + 1;
    ElfW(Sym) symbol;
    char found[64];

    if (length > sizeof found
        || !read_element(symbols, symbols->table, index, &symbol, sizeof symbol)
        || symbol.st_shndx == SHN_UNDEF
        || !read_object(symbols->object, symbols->names + symbol.st_name, found, length)
        || memcmp(found, name, length) != 0)
        return 0;
    return symbol.st_value;
}

static uintptr_t by_gnu_hash(const struct symbols *symbols, const char *name)
{
    uint32_t wanted = gnu_hash(name), bucket_count = number(symbols, symbols->hash, 0);
    uint32_t first = number(symbols, symbols->hash, 1);
    uint64_t buckets =
        4 + (uint64_t)number(symbols, symbols->hash, 2) * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    uint64_t chain = buckets + bucket_count;
    uint64_t index = bucket_count ? number(symbols, symbols->hash, buckets + wanted % bucket_count) : 0;

    for (; index >= first && index > 0; index++) {
        uint32_t hash;
        uintptr_t value;

        if (!read_element(symbols, symbols->hash, chain + index - first, &hash, sizeof hash))
            return 0;
        value = (hash | 1) == (wanted | 1) ? value_of(symbols, index, name) : 0;
        if (value || hash & 1)
            return value;
    }
    return 0;
}

static uintptr_t by_old_hash(const struct symbols *symbols, const char *name)
{
    uint32_t bucket_count = number(symbols, symbols->old_hash, 0);
    uint32_t count = number(symbols, symbols->old_hash, 1);
    uint32_t index =
        bucket_count ? number(symbols, symbols->old_hash, 2 + old_hash(name) % bucket_count) : 0;

    for (uint32_t steps = 0; index && steps < count; steps++) {
        uintptr_t value = value_of(symbols, index, name);

        if (value)
            return value;
        index = number(symbols, symbols->old_hash, (uint64_t)2 + bucket_count + index);
    }
    return 0;
}

uintptr_t symbol_of_object(const struct loaded_object *object, const char *name)
{
    struct symbols symbols = symbols_of(object);
    uintptr_t value = symbols.hash ? by_gnu_hash(&symbols, name) : by_old_hash(&symbols, name);
    uintptr_t address = object->bias + value;

    return value && address >= object->mapping.start && address < object->mapping.end ? address : 0;
}
