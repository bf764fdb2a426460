/* Bringing a process back: where, whether there is room, and what becomes of it where there is none. */
#include "devices.h"
#include "machine.h"

#include <string.h>

enum { ID_BYTES = 16 };

/* The GPU of this id; the number of GPUs for an id that none has. */
static uint32_t gpu_of(const unsigned char *id)
{
    unsigned char own[ID_BYTES];
    uint32_t gpu = 0;

    for (; gpu < driver.physical_devices; gpu++) {
        describe_uuid(gpu, own);
        if (!memcmp(id, own, ID_BYTES))
            break;
    }
    return gpu;
}

/* Which GPU takes each one's place; false for a map that does not name each of them once on either side. */
static bool read_map(const struct gpu_map *map, uint32_t new_of[MAXIMUM_DEVICES])
{
    bool named[2][MAXIMUM_DEVICES] = { 0 };

    for (uint32_t gpu = 0; gpu < MAXIMUM_DEVICES; gpu++)
        new_of[gpu] = gpu;
    if (map->count && map->count != driver.physical_devices)
        return false;
    for (uint32_t pair = 0; pair < map->count; pair++) {
        uint32_t gpus[2];

        for (int side = 0; side < 2; side++) {
            gpus[side] = gpu_of(map->ids + (2 * (size_t)pair + (size_t)side) * ID_BYTES);
            if (gpus[side] == driver.physical_devices || named[side][gpus[side]])
                return false;
            named[side][gpus[side]] = true;
        }
        new_of[gpus[0]] = gpus[1];
    }
    return true;
}

/* Whether the target can be restored, and which GPU takes each one's place then. */
static CUresult look(struct target *target, const struct gpu_map *map, uint32_t new_of[MAXIMUM_DEVICES])
{
    if (target->state != CHECKPOINTED)
        return CUDA_ERROR_ILLEGAL_STATE;
    if (target->lost)
        return CUDA_ERROR_OPERATING_SYSTEM;
    if (!read_map(map, new_of))
        return CUDA_ERROR_INVALID_VALUE;
    /* A map names a GPU once, so that no two shares come back to the same one. */
    for (uint32_t index = 0; index < target->share_count; index++) {
        const struct share *share = &target->shares[index];

        if (share->bytes && share->bytes > free_on_machine(new_of[share->checkpointed_on], target)) {
            target->lost = 1;
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    return CUDA_SUCCESS;
}

CUresult may_restore(struct target *target, void *map)
{
    uint32_t new_of[MAXIMUM_DEVICES];

    return look(target, map, new_of);
}

CUresult restore(struct target *target, void *map)
{
    uint32_t new_of[MAXIMUM_DEVICES];
    CUresult result = look(target, map, new_of);

    if (result != CUDA_SUCCESS)
        return result;
    /* None of these counts before the state is stored: a controller may be killed in between. */
    for (uint32_t share = 0; share < target->share_count; share++)
        target->shares[share].gpu = new_of[target->shares[share].checkpointed_on];
    target->state = LOCKED;
    return CUDA_SUCCESS;
}
