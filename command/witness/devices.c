/* The devices that calls were about, and which of them the program may use. */
#define _GNU_SOURCE
#include "witness.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { UUID_TEXT = sizeof "GPU-00000000-0000-0000-0000-000000000000" };

/* One more than the CUdevice, as 64 bits: 0 is an empty entry. */
static _Atomic int64_t handles[TRACE_MAXIMUM_DEVICES];
static _Atomic uint32_t used;

enum { NOT_ASKED, BEING_ASKED, ASKED };

/* What came of asking the driver about each. */
static struct {
    _Atomic int state;
    _Atomic int allowed;
} devices[TRACE_MAXIMUM_DEVICES];

static int find_slot(CUdevice device, bool add)
{
    int64_t wanted = (int64_t)(uint32_t)device + 1;

    for (uint32_t slot = 0; slot < TRACE_MAXIMUM_DEVICES; slot++) {
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
        atomic_store(&devices[slot].allowed, 0);
    }
    atomic_store(&used, 0);
}

/* What the driver says of a device. */
struct answers {
    int count;
    int ordinal;
    CUuuid uuid;
    uint64_t named;   /* the devices of `only` that this process sees */
    bool one_of_them; /* this device is one of `only` */
};

static bool has_uuid(const CUuuid *uuid)
{
    static const CUuuid none;

    return memcmp(uuid, &none, sizeof none) != 0;
}

static bool is_uuid(const char *name)
{
    return strncmp(name, "GPU-", 4) == 0 || strncmp(name, "MIG-", 4) == 0;
}

/* Whether it is this UUID, or the beginning of it. */
static bool has_this_uuid(const CUuuid *uuid, const char *name, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char text[UUID_TEXT];
    size_t at = 4;

    for (int byte = 0; byte < 16; byte++) {
        if (byte == 4 || byte == 6 || byte == 8 || byte == 10)
            text[at++] = '-';
        text[at++] = digits[(unsigned char)uuid->bytes[byte] >> 4];
        text[at++] = digits[(unsigned char)uuid->bytes[byte] & 15];
    }
    return length <= at && strncasecmp(text + 4, name + 4, length - 4) == 0;
}

static bool has_this_name(const CUuuid *uuid, int ordinal, const char *name, size_t length)
{
    char *end;

    if (is_uuid(name))
        return has_uuid(uuid) && has_this_uuid(uuid, name, length);
    return length && strtol(name, &end, 10) == ordinal && end == name + length;
}

/* Which of the list's devices this one is: the lowest bit is the first of the list. */
static uint64_t names_of(const CUuuid *uuid, int ordinal)
{
    const char *name = (const char *)arena_settings()->only;
    uint64_t names = 0;

    for (uint64_t bit = 1; bit; bit <<= 1) {
        size_t length = strcspn(name, ",");

        if (has_this_name(uuid, ordinal, name, length))
            names |= bit;
        if (!name[length])
            break;
        name += length + 1;
    }
    return names;
}

/* Whether it must be found out which UUIDs this process sees at all. */
static bool names_uuids(void)
{
    const char *only = (const char *)arena_settings()->only;

    return strstr(only, "GPU-") || strstr(only, "MIG-");
}

static struct answers ask_driver(CUdevice device)
{
    struct answers answers = { .ordinal = -1 };
    CUresult (*get_count)(int *) = (CUresult (*)(int *))real_question("cuDeviceGetCount");
    CUresult (*get)(CUdevice *, int) = (CUresult (*)(CUdevice *, int))real_question("cuDeviceGet");
    CUresult (*get_uuid)(CUuuid *, CUdevice) =
        (CUresult (*)(CUuuid *, CUdevice))real_question("cuDeviceGetUuid_v2");

    if (!get_uuid)
        get_uuid = (CUresult (*)(CUuuid *, CUdevice))real_question("cuDeviceGetUuid");
    if (!get_count || !get || get_count(&answers.count) != CUDA_SUCCESS)
        return answers;
    for (int ordinal = 0; ordinal < answers.count; ordinal++) {
        CUuuid uuid = { { 0 } };
        CUdevice handle;

        if (!names_uuids() && answers.ordinal >= 0)
            break;
        if (get(&handle, ordinal) != CUDA_SUCCESS || (!names_uuids() && handle != device))
            continue;
        if (get_uuid && get_uuid(&uuid, handle) != CUDA_SUCCESS)
            memset(&uuid, 0, sizeof uuid);
        answers.named |= names_of(&uuid, ordinal);
        if (handle != device)
            continue;
        answers.ordinal = ordinal;
        answers.uuid = uuid;
        answers.one_of_them = names_of(&uuid, ordinal);
    }
    return answers;
}

static enum trace_allowed compare_with_rank(const struct answers *answers)
{
    if (answers->ordinal < 0 || local_rank() < 0)
        return TRACE_ALLOWED_UNKNOWN;
    /* A launcher that shows each process a device of its own: that one is allowed. */
    if (answers->count == 1 || answers->ordinal == local_rank())
        return TRACE_ALLOWED_YES;
    return local_rank() < answers->count ? TRACE_ALLOWED_NO : TRACE_ALLOWED_UNKNOWN;
}

static enum trace_allowed decide(const struct answers *answers)
{
    const char *only = (const char *)arena_settings()->only;

    if (!*only)
        return arena_settings()->forbid ? TRACE_ALLOWED_NO : TRACE_ALLOWED_UNKNOWN;
    if (strcmp(only, "one") == 0) /* which one is known when the process has several */
        return TRACE_ALLOWED_UNKNOWN;
    if (strcmp(only, "local-rank") == 0)
        return compare_with_rank(answers);
    if (answers->one_of_them)
        return TRACE_ALLOWED_YES;
    /* A driver that refuses, or one without UUIDs. */
    if (answers->ordinal < 0 || (names_uuids() && !has_uuid(&answers->uuid)))
        return TRACE_ALLOWED_UNKNOWN;
    return TRACE_ALLOWED_NO;
}

static void note_device(CUdevice device, const struct answers *answers, enum trace_allowed allowed)
{
    struct trace_device *record = reserve_record(TRACE_DEVICE, sizeof *record, NULL);

    if (!record)
        return;
    record->handle = device;
    record->ordinal = answers->ordinal;
    record->count = answers->count > 0 ? answers->count : -1;
    memcpy(record->uuid, answers->uuid.bytes, sizeof record->uuid);
    record->allowed = allowed;
    record->named = answers->named;
    publish_record(record, TRACE_WRITTEN);
}

/*
 * A driver that is not initialised is not asked: it would refuse. Threads that come while the first
 * one asks do so, too, for they must know whether the device is allowed.
 */
static void ask(int slot, CUdevice device)
{
    struct answers answers;
    int before = NOT_ASKED;
    bool first;
    enum trace_allowed allowed;

    if (!has_arena() || !is_initialized())
        return;
    first = atomic_compare_exchange_strong(&devices[slot].state, &before, BEING_ASKED);
    answers = ask_driver(device);
    allowed = decide(&answers);
    atomic_store(&devices[slot].allowed, (int)allowed);
    atomic_store(&devices[slot].state, ASKED);
    if (first)
        note_device(device, &answers, allowed);
}

int device_slot(CUdevice device)
{
    int slot = find_slot(device, true);

    if (slot >= 0 && atomic_load(&devices[slot].state) != ASKED)
        ask(slot, device);
    return slot;
}

/* Whether a process that may use one device holds another one. */
static bool holds_another(int slot)
{
    uint32_t count = atomic_load(&used);

    for (uint32_t other = 0; other < count; other++)
        if ((int)other != slot && is_device_held((int)other))
            return true;
    return false;
}

bool is_denied(int slot)
{
    if (!arena_settings()->deny || slot < 0)
        return false;
    if (strcmp((const char *)arena_settings()->only, "one") == 0)
        return holds_another(slot);
    return atomic_load_explicit(&devices[slot].allowed, memory_order_acquire) == TRACE_ALLOWED_NO;
}
