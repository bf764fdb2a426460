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
};

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

/* One ordinal or UUID of the list. */
static enum trace_allowed compare(const struct answers *answers, const char *item)
{
    char *end;
    long ordinal;

    if (strncmp(item, "GPU-", 4) == 0 || strncmp(item, "MIG-", 4) == 0) {
        if (!has_uuid(answers))
            return TRACE_ALLOWED_UNKNOWN;
        return has_this_uuid(answers, item) ? TRACE_ALLOWED_YES : TRACE_ALLOWED_NO;
    }
    ordinal = strtol(item, &end, 10);
    if (*end || end == item || ordinal > INT32_MAX || answers->ordinal < 0)
        return TRACE_ALLOWED_UNKNOWN;
    return answers->ordinal == ordinal ? TRACE_ALLOWED_YES : TRACE_ALLOWED_NO;
}

static enum trace_allowed compare_with_rank(const struct answers *answers)
{
    if (answers->ordinal < 0 || local_rank() < 0)
        return TRACE_ALLOWED_UNKNOWN;
    /* A launcher that shows each process a device of its own: that one is allowed. */
    if (answers->count == 1 || answers->ordinal == local_rank())
        return TRACE_ALLOWED_YES;
    return TRACE_ALLOWED_NO;
}

static enum trace_allowed decide(const struct answers *answers)
{
    const struct trace_arena *settings = arena_settings();
    char only[TRACE_ONLY_BYTES], *rest = only, *item;
    enum trace_allowed allowed = TRACE_ALLOWED_NO;

    memcpy(only, settings->only, sizeof only);
    if (!*only)
        return settings->forbid ? TRACE_ALLOWED_NO : TRACE_ALLOWED_UNKNOWN;
    if (strcmp(only, "one") == 0) /* which one is known when the process has several */
        return TRACE_ALLOWED_UNKNOWN;
    if (strcmp(only, "local-rank") == 0)
        return compare_with_rank(answers);
    while ((item = strsep(&rest, ","))) {
        enum trace_allowed found = compare(answers, item);

        if (found == TRACE_ALLOWED_YES)
            return found;
        if (found == TRACE_ALLOWED_UNKNOWN)
            allowed = found;
    }
    return allowed;
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
    publish_record(record, TRACE_WRITTEN);
}

/*
 * A driver that is not initialised is not asked: it would refuse. Threads that come while the first
 * one asks do so, too, for they must know whether the device is allowed.
 */
static void ask(int slot, CUdevice device)
{
    struct answers answers = { .ordinal = -1 };
    int before = NOT_ASKED;
    bool first;
    enum trace_allowed allowed;

    if (!has_arena() || (arena_settings()->ask && !is_initialized()))
        return;
    first = atomic_compare_exchange_strong(&devices[slot].state, &before, BEING_ASKED);
    if (arena_settings()->ask)
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
