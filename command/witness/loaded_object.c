#define _GNU_SOURCE
#include "loaded_object.h"

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

struct search {
    bool (*look)(const struct loaded_object *object, void *data);
    void *data;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    const struct search *search = data;
    struct loaded_object object = { .start = UINTPTR_MAX,
                                    .bias = info->dlpi_addr,
                                    .name = info->dlpi_name ? info->dlpi_name : "" };

    (void)size;
    for (size_t index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        uintptr_t first = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type == PT_DYNAMIC)
            object.dynamic = (const ElfW(Dyn) *)first;
        if (segment->p_type != PT_LOAD)
            continue;
        object.start = first < object.start ? first : object.start;
        object.end = first + segment->p_memsz > object.end ? first + segment->p_memsz : object.end;
    }
    object.start &= ~(uintptr_t)4095;
    return object.end && search->look(&object, search->data);
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

struct wanted {
    uintptr_t address;
    struct loaded_object *object;
};

static bool has_address(const struct loaded_object *object, void *data)
{
    const struct wanted *wanted = data;

    if (wanted->address < object->start || wanted->address >= object->end)
        return false;
    *wanted->object = *object;
    return true;
}

bool find_loaded_object(uintptr_t address, struct loaded_object *object)
{
    struct wanted wanted = { address, object };
    struct found found;

    if (!find_object) {
        object->end = 0;
        each_loaded_object(has_address, &wanted);
        return object->end;
    }
    if (find_object((void *)address, &found) != 0 || !found.link_map)
        return false;
    *object = (struct loaded_object){ .start = (uintptr_t)found.map_start,
                                      .end = (uintptr_t)found.map_end,
                                      .bias = found.link_map->l_addr,
                                      .name = found.link_map->l_name,
                                      .dynamic = found.link_map->l_ld };
    return true;
}

/* What the dynamic section says of symbols. Each table is looked at up to the object's end only. */
struct symbols {
    uintptr_t start, end;
    uintptr_t table, names, hash, old_hash; /* DT_GNU_HASH, DT_HASH */
};

static struct symbols symbols_of(const struct loaded_object *object)
{
    struct symbols symbols = { .start = object->start, .end = object->end };
    uintptr_t at = (uintptr_t)object->dynamic;

    for (; at >= object->start && at + sizeof(ElfW(Dyn)) <= object->end; at += sizeof(ElfW(Dyn))) {
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)at;
        uintptr_t address = entry->d_un.d_ptr;

        if (entry->d_tag == DT_NULL)
            break;
        /* glibc has added the bias already, but for the vDSO. */
        if (address < object->start)
            address += object->bias;
        if (entry->d_tag == DT_SYMTAB)
            symbols.table = address;
        if (entry->d_tag == DT_STRTAB)
            symbols.names = address;
        if (entry->d_tag == DT_GNU_HASH)
            symbols.hash = address;
        if (entry->d_tag == DT_HASH)
            symbols.old_hash = address;
    }
    return symbols;
}

/* NULL if it is not in the object. */
static const void *part(const struct symbols *symbols, uintptr_t table, uint64_t offset, size_t size)
{
    if (table < symbols->start || table >= symbols->end || offset > symbols->end - table
        || size > symbols->end - table - offset)
        return NULL;
    return (const void *)(table + offset);
}

static uint32_t number(const struct symbols *symbols, uintptr_t table, uint64_t index)
{
    const uint32_t *at = part(symbols, table, index * sizeof *at, sizeof *at);

    return at ? *at : 0;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;

    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
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
    const ElfW(Sym) *symbol =
        part(symbols, symbols->table, index * sizeof *symbol, sizeof *symbol);
    size_t length = strlen(name) + 1;
    const char *found =
        symbol ? part(symbols, symbols->names, symbol->st_name, length) : NULL;

    if (!found || symbol->st_shndx == SHN_UNDEF || memcmp(found, name, length) != 0)
        return 0;
    return symbol->st_value;
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
        const uint32_t *hash = part(symbols, symbols->hash,
                                    (chain + index - first) * sizeof *hash, sizeof *hash);
        uintptr_t value =
            hash && (*hash | 1) == (wanted | 1) ? value_of(symbols, index, name) : 0;

        if (value || !hash || *hash & 1)
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

    return value ? object->bias + value : 0;
}
