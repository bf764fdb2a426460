/* Bringing a process back: where, whether there is room, and what becomes of it where there is none. */
#include "devices.h"
#include "machine.h"

#include <string.h>

enum { ID_BYTES = 16 };

static uint32_t times_named(const struct gpu_map *map, int side, uint32_t physical, uint32_t *at)
{
    unsigned char id[ID_BYTES];
    uint32_t times = 0;

    describe_uuid(physical, id);
    for (uint32_t pair = 0; pair < map->count; pair++) {
        if (!memcmp(map->ids + (2 * (size_t)pair + (size_t)side) * ID_BYTES, id, ID_BYTES)) {
            *at = pair;
            times++;
        }
    }
    return times;
}

/* The GPU in the place of one that was there at the checkpoint; false where the map does not fit. */
static bool new_place(const struct gpu_map *map, uint32_t old, uint32_t *new)
{
    uint32_t pair;
    uint32_t other;

    *new = old;
    if (!map->count)
        return true;
    if (times_named(map, 0, old, &pair) != 1)
        return false;
    for (*new = 0; *new < driver.physical_devices; ++*new) {
        uint32_t times = times_named(map, 1, *new, &other);

        if (times && other == pair)
            return times == 1;
        if (times > 1)
            return false;
    }
    return false; /* a GPU that there is not */
}

/* Writes into the places that do not count yet where each share would come back. */
static bool choose_places(struct target *target, const struct gpu_map *map)
{
    uint32_t table = (atomic_load(&target->standing) & SECOND_PLACE) ? 0 : 1;

    for (uint32_t physical = 0; physical < driver.physical_devices; physical++) {
        uint32_t place;

        if (!new_place(map, physical, &place))
            return false;
    }
    for (uint32_t share = 0; share < target->share_count; share++) {
        if (!new_place(map, place_of(target, share), &target->shares[share].place[table]))
            return false;
    }
    return true;
}

static bool there_is_room(const struct target *target)
{
    uint32_t table = (atomic_load(&target->standing) & SECOND_PLACE) ? 0 : 1;

    /* A map names a GPU once, so that no two shares come back to the same one. */
    for (uint32_t share = 0; share < target->share_count; share++) {
        uint64_t bytes = target->shares[share].bytes;

        if (bytes && bytes > free_on_machine(target->shares[share].place[table], target))
            return false;
    }
    return true;
}

/* If it returns CUDA_SUCCESS, the new places are chosen. */
CUresult may_restore(struct target *target, void *map)
{
    if (state_of(target) != CHECKPOINTED)
        return CUDA_ERROR_ILLEGAL_STATE;
    if (is_lost(target))
        return CUDA_ERROR_OPERATING_SYSTEM;
    if (!choose_places(target, map))
        return CUDA_ERROR_INVALID_VALUE;
    if (there_is_room(target))
        return CUDA_SUCCESS;
    if (knob(restore_without_room_destroys))
        atomic_fetch_or(&target->standing, LOST);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult restore(struct target *target, void *map)
{
    CUresult result = may_restore(target, map);

    if (result == CUDA_SUCCESS)
        atomic_store(&target->standing,
                     ((atomic_load(&target->standing) ^ SECOND_PLACE) & ~(uint32_t)STATE_BITS) | LOCKED);
    return result;
}
