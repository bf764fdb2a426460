/* The devices that calls were about, and which of them are meant to be used. */
#define _GNU_SOURCE
#include "witness.h"

#include <string.h>
#include <strings.h>

enum { UUID_TEXT = sizeof "GPU-00000000-0000-0000-0000-000000000000" };

/* One more than the CUdevice, as 64 bits: 0 is an empty entry. */
static _Atomic int64_t handles[MAXIMUM_DEVICES];
static _Atomic uint32_t used;

enum { NOT_ASKED, BEING_ASKED, ASKED };

/* What came of asking the driver about each. */
static struct {
    _Atomic int state;
    _Atomic int meant;
} devices[MAXIMUM_DEVICES];

static int find_slot(CUdevice device, bool add)
{
    int64_t wanted = (int64_t)(uint32_t)device + 1;

    for (uint32_t slot = 0; slot < MAXIMUM_DEVICES; slot++) {
        int64_t handle = atomic_load_explicit(&handles[slot], memory_order_relaxed);

        if (!handle && !add)
            return -1;
        if (!handle && atomic_compare_exchange_strong(&handles[slot], &handle, wanted)) {
            atomic_fetch_add(&used, 1);
            return (int)slot;
        }
        if (handle == wanted)
            return (int)slot;
    }
    return -1;
}

int known_device_slot(CUdevice device)
{
    return find_slot(device, false);
}

void forget_devices(void)
{
    uint32_t count = atomic_load(&used);

    for (uint32_t slot = 0; slot < count; slot++) {
        atomic_store(&handles[slot], 0);
        atomic_store(&devices[slot].state, NOT_ASKED);
        atomic_store(&devices[slot].meant, 0);
    }
    atomic_store(&used, 0);
}

/* What the driver says of a device. */
struct answers {
    int count;
    int ordinal;
    CUuuid uuid;
};

static struct answers ask_driver(CUdevice device)
{
    struct answers answers = { .ordinal = TRACE_NO_DEVICE };
    CUresult (*get_count)(int *) = (CUresult (*)(int *))real_question("cuDeviceGetCount");
    CUresult (*get)(CUdevice *, int) = (CUresult (*)(CUdevice *, int))real_question("cuDeviceGet");
    CUresult (*get_uuid)(CUuuid *, CUdevice) =
        (CUresult (*)(CUuuid *, CUdevice))real_question("cuDeviceGetUuid_v2");

    if (!get_uuid)
        get_uuid = (CUresult (*)(CUuuid *, CUdevice))real_question("cuDeviceGetUuid");
    if (!get_count || !get || get_count(&answers.count) != CUDA_SUCCESS)
        return answers;
    for (int ordinal = 0; ordinal < answers.count && answers.ordinal < 0; ordinal++) {
        CUdevice handle;

        if (get(&handle, ordinal) == CUDA_SUCCESS && handle == device)
            answers.ordinal = ordinal;
    }
    if (answers.ordinal >= 0 && get_uuid && get_uuid(&answers.uuid, device) != CUDA_SUCCESS)
        memset(&answers.uuid, 0, sizeof answers.uuid);
    return answers;
}

static bool has_uuid(const struct answers *answers)
{
    static const CUuuid none;

    return memcmp(&answers->uuid, &none, sizeof none) != 0;
}

/* GPU-… or MIG-…, or the beginning of one. */
static bool has_this_uuid(const struct answers *answers, const char *only)
{
    static const char digits[] = "0123456789abcdef";
    char text[UUID_TEXT];
    size_t at = 4, length = strlen(only);

    for (int byte = 0; byte < 16; byte++) {
        if (byte == 4 || byte == 6 || byte == 8 || byte == 10)
            text[at++] = '-';
        text[at++] = digits[(unsigned char)answers->uuid.bytes[byte] >> 4];
        text[at++] = digits[(unsigned char)answers->uuid.bytes[byte] & 15];
    }
    return length <= at && strncasecmp(text + 4, only + 4, length - 4) == 0;
}

static enum trace_meant decide(const struct answers *answers)
{
    const struct trace_arena *settings = arena_settings();
    const char *only = settings->only;
    int ordinal;

    if (!*only)
        return settings->forbid ? TRACE_MEANT_NO : TRACE_MEANT_UNKNOWN;
    if (answers->ordinal < 0)
        return TRACE_MEANT_UNKNOWN;
    if (strncmp(only, "GPU-", 4) == 0 || strncmp(only, "MIG-", 4) == 0) {
        if (!has_uuid(answers))
            return TRACE_MEANT_UNKNOWN;
        return has_this_uuid(answers, only) ? TRACE_MEANT_YES : TRACE_MEANT_NO;
    }
    ordinal = meant_ordinal();
    if (ordinal < 0)
        return TRACE_MEANT_UNKNOWN;
    /* A launcher that shows each process a device of its own: that one is meant. */
    if (strcmp(only, "local-rank") == 0 && answers->count == 1)
        return TRACE_MEANT_YES;
    return answers->ordinal == ordinal ? TRACE_MEANT_YES : TRACE_MEANT_NO;
}

static void note_device(CUdevice device, const struct answers *answers, enum trace_meant meant)
{
    struct trace_device *record = reserve_record(TRACE_DEVICE, sizeof *record);

    if (!record)
        return;
    record->handle = device;
    record->ordinal = answers->ordinal;
    memcpy(record->uuid, answers->uuid.bytes, sizeof record->uuid);
    record->meant = (uint8_t)meant;
    publish_record(record, TRACE_WRITTEN);
}

/*
 * A driver that is not initialised is not asked: it would refuse. Threads that come while the first
 * one asks do so, too, for they must know whether the device is meant.
 */
static void ask(int slot, CUdevice device)
{
    struct answers answers = { .ordinal = TRACE_NO_DEVICE };
    int before = NOT_ASKED;
    bool first;
    enum trace_meant meant;

    if (!arena_settings()->capacity || (arena_settings()->ask && !is_initialized()))
        return;
    first = atomic_compare_exchange_strong(&devices[slot].state, &before, BEING_ASKED);
    if (arena_settings()->ask)
        answers = ask_driver(device);
    meant = decide(&answers);
    atomic_store(&devices[slot].meant, (int)meant);
    atomic_store(&devices[slot].state, ASKED);
    if (first)
        note_device(device, &answers, meant);
}

int device_slot(CUdevice device)
{
    int slot = find_slot(device, true);

    if (slot >= 0 && atomic_load(&devices[slot].state) != ASKED)
        ask(slot, device);
    return slot;
}

enum trace_meant whether_meant(int slot)
{
    return slot < 0 ? TRACE_MEANT_UNKNOWN
                    : (enum trace_meant)atomic_load_explicit(&devices[slot].meant,
                                                             memory_order_acquire);
}
