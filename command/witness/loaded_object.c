#define _GNU_SOURCE
#include "loaded_object.h"
#include "old_glibc.h"

#include <string.h>

/*
 * glibc's struct dl_find_object, which older headers lack. dladdr would answer the same, but it waits
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

void find_loader_functions(void)
{
    find_object = (int (*)(void *, struct found *))dlsym(RTLD_DEFAULT, "_dl_find_object");
}

/* The program headers lie behind the file's own, at the beginning of the first segment. */
static void find_segments(struct loaded_object *object)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)object->start;

    object->segments = NULL;
    object->segment_count = 0;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0
        || header->e_phentsize != sizeof(ElfW(Phdr))
        || header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > 4096)
        return;
    object->segments = (const ElfW(Phdr) *)(object->start + header->e_phoff);
    object->segment_count = header->e_phnum;
}

struct search {
    uintptr_t address;
    struct loaded_object *object;
};

static int compare_object(struct dl_phdr_info *info, size_t size, void *data)
{
    const struct search *search = data;
    uintptr_t start = UINTPTR_MAX, end = 0;

    (void)size;
    for (size_t index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        uintptr_t first = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type != PT_LOAD)
            continue;
        start = first < start ? first : start;
        end = first + segment->p_memsz > end ? first + segment->p_memsz : end;
    }
    if (search->address < start || search->address >= end)
        return 0;
    *search->object = (struct loaded_object){ .start = start & ~(uintptr_t)4095,
                                              .end = end,
                                              .bias = info->dlpi_addr,
                                              .name = info->dlpi_name,
                                              .segments = info->dlpi_phdr,
                                              .segment_count = info->dlpi_phnum };
    return 1;
}

bool find_loaded_object(uintptr_t address, struct loaded_object *object)
{
    struct search search = { .address = address, .object = object };
    struct found found;

    if (!find_object)
        return dl_iterate_phdr(compare_object, &search) != 0;
    if (find_object((void *)address, &found) != 0 || !found.link_map)
        return false;
    *object = (struct loaded_object){ .start = (uintptr_t)found.map_start,
                                      .end = (uintptr_t)found.map_end,
                                      .bias = found.link_map->l_addr,
                                      .name = found.link_map->l_name };
    find_segments(object);
    return true;
}

/* What the dynamic section says of symbols. */
struct symbols {
    const ElfW(Sym) *table;
    const char *names;
    const uint32_t *hash; /* DT_GNU_HASH */
};

static struct symbols symbols_of(const struct loaded_object *object)
{
    struct symbols symbols = { 0 };
    const ElfW(Dyn) *entry = NULL;

    for (size_t index = 0; index < object->segment_count; index++)
        if (object->segments[index].p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)(object->bias + object->segments[index].p_vaddr);
    for (; entry && entry->d_tag != DT_NULL; entry++) {
        uintptr_t address = entry->d_un.d_ptr;

        /* glibc has added the bias already, but for the vDSO. */
        if (address < object->start)
            address += object->bias;
        if (entry->d_tag == DT_SYMTAB)
            symbols.table = (const ElfW(Sym) *)address;
        if (entry->d_tag == DT_STRTAB)
            symbols.names = (const char *)address;
        if (entry->d_tag == DT_GNU_HASH)
            symbols.hash = (const uint32_t *)address;
    }
    return symbols;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;

    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

uintptr_t symbol_of_object(const struct loaded_object *object, const char *name)
{
    struct symbols symbols = symbols_of(object);
    uint32_t wanted = gnu_hash(name), bucket_count, first, filter_words, index;
    const uint32_t *buckets, *chain;

    if (!symbols.table || !symbols.names || !symbols.hash)
        return 0;
    bucket_count = symbols.hash[0];
    first = symbols.hash[1];
    filter_words = symbols.hash[2];
    buckets = symbols.hash + 4 + filter_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    chain = buckets + bucket_count;
    index = bucket_count ? buckets[wanted % bucket_count] : 0;
    if (index < first)
        return 0;
    for (;; index++) {
        uint32_t hash = chain[index - first];
        const ElfW(Sym) *symbol = &symbols.table[index];

        if ((hash | 1) == (wanted | 1) && symbol->st_shndx != SHN_UNDEF
            && strcmp(symbols.names + symbol->st_name, name) == 0)
            return object->bias + symbol->st_value;
        if (hash & 1)
            return 0;
    }
}
