/*
 * A libFuzzer target: a sequence of the simulated driver's C calls, with whatever arguments the input
 * says. What C itself leaves to the caller stays valid (a pointer is null or has room for what may be
 * written there); all else is arbitrary: ordinals, flags, sizes, versions, texts, handles that were
 * never given out or are long gone.
 *
 * The functions and their parameters come from the one table of entry points. A function with a
 * parameter list that is not known here does not compile.
 */
#include "../c/simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARAMETERS = 6, ROOM = 256, REMEMBERED = 16, MOST_CALLS = 200 };

/*
 * One letter for each parameter:
 *
 *   i number   u flags and other 32 bits   z 64 bits   b 8 bits   l length of the room
 *   t text   o room for an answer, or null   q room, never null   h host memory of l bytes
 *   r room for resources of multiprocessors, which stay there from call to call
 *   c s e a m d a context, stream, event, device address, host address, description of resources
 *   C S E A M D room for one of these, which is remembered
 */
#define PARAMETERS(function)                                                                         \
    _Generic(&function,                                                                              \
        CUresult (*)(void): "",                                                                      \
        CUresult (*)(unsigned int): "u",                                                             \
        CUresult (*)(unsigned int *): "o",                                                           \
        CUresult (*)(unsigned int *, unsigned int *): "oo",                                          \
        CUresult (*)(unsigned int *, unsigned int): "Au",                                            \
        CUresult (*)(unsigned int *, CUdevice): "oi",                                                \
        CUresult (*)(int *): "o",                                                                    \
        CUresult (*)(int *, int *): "oo",                                                            \
        CUresult (*)(int, int *): "io",                                                              \
        CUresult (*)(int, CUprocessState *): "io",                                                   \
        /* Without arguments: what room holds is no structure with pointers in it. */                \
        CUresult (*)(int, CUcheckpointLockArgs *): "i",                                              \
        CUresult (*)(int, CUcheckpointCheckpointArgs *): "i",                                        \
        CUresult (*)(int, CUcheckpointRestoreArgs *): "i",                                           \
        CUresult (*)(int, CUcheckpointUnlockArgs *): "i",                                            \
        CUresult (*)(int *, int): "oi",                                                              \
        CUresult (*)(int *, int *, CUdevice): "ooi",                                                 \
        CUresult (*)(int *, int, CUdevice): "oui",                                                   \
        CUresult (*)(size_t *, CUdevice): "oi",                                                      \
        CUresult (*)(size_t *, size_t *): "oo",                                                      \
        CUresult (*)(char *, int, CUdevice): "oli",                                                  \
        CUresult (*)(CUuuid *, CUdevice): "oi",                                                      \
        CUresult (*)(CUresult, const char **): "uo",                                                 \
        CUresult (*)(const char *, void **, int, cuuint64_t): "toiz",                                \
        CUresult (*)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *):      \
            "toizo",                                                                                 \
        CUresult (*)(int *, const char *): "ot",                                                     \
        CUresult (*)(int *, CUcontext): "oc",                                                        \
        CUresult (*)(CUdevice, CUdevResource *, CUdevResourceType): "iri",                           \
        CUresult (*)(CUdevResource *, unsigned int *, const CUdevResource *, CUdevResource *,        \
                     unsigned int, unsigned int): "rorruu",                                          \
        CUresult (*)(CUdevResourceDesc *, CUdevResource *, unsigned int): "Dri",                     \
        CUresult (*)(CUgreenCtx *, CUdevResourceDesc, CUdevice, unsigned int): "Cdiu",               \
        CUresult (*)(CUgreenCtx): "c",                                                               \
        CUresult (*)(CUcontext *, CUgreenCtx): "Cc",                                                 \
        CUresult (*)(CUdevice): "i",                                                                 \
        CUresult (*)(CUdevice, unsigned int): "iu",                                                  \
        CUresult (*)(CUdevice, unsigned int *, int *): "ioo",                                        \
        CUresult (*)(CUcontext): "c",                                                                \
        CUresult (*)(CUcontext *): "C",                                                              \
        CUresult (*)(CUcontext *, CUdevice): "Ci",                                                   \
        CUresult (*)(CUcontext *, unsigned int, CUdevice): "Cui",                                    \
        CUresult (*)(CUcontext *, CUexecAffinityParam *, int, unsigned int, CUdevice): "Coiui",      \
        CUresult (*)(CUcontext *, CUctxCreateParams *, unsigned int, CUdevice): "Coui",              \
        CUresult (*)(CUcontext, unsigned int *): "co",                                               \
        CUresult (*)(CUcontext, unsigned long long *): "co",                                         \
        CUresult (*)(CUdeviceptr): "a",                                                              \
        CUresult (*)(CUdeviceptr *, size_t): "Az",                                                   \
        CUresult (*)(CUdeviceptr, CUdeviceptr, size_t): "aaz",                                       \
        CUresult (*)(CUdeviceptr, CUdeviceptr, size_t, CUstream): "aazs",                            \
        CUresult (*)(CUdeviceptr, const void *, size_t): "ahl",                                      \
        CUresult (*)(CUdeviceptr, const void *, size_t, CUstream): "ahls",                           \
        CUresult (*)(void *, CUdeviceptr, size_t): "hal",                                            \
        CUresult (*)(void *, CUdeviceptr, size_t, CUstream): "hals",                                 \
        CUresult (*)(CUdeviceptr, unsigned char, size_t): "abz",                                     \
        CUresult (*)(CUdeviceptr, unsigned char, size_t, CUstream): "abzs",                          \
        CUresult (*)(void *): "m",                                                                   \
        CUresult (*)(void **, size_t): "Mz",                                                         \
        CUresult (*)(void **, unsigned int): "Mu",                                                   \
        CUresult (*)(CUstream): "s",                                                                 \
        CUresult (*)(CUstream *, unsigned int): "Su",                                                \
        CUresult (*)(CUstream *, unsigned int, int): "Sui",                                          \
        CUresult (*)(CUstream, CUcontext *): "sC",                                                   \
        CUresult (*)(CUstream, CUcontext *, CUgreenCtx *): "sCo",                                    \
        CUresult (*)(CUstream, int *): "so",                                                         \
        CUresult (*)(CUstream, unsigned int *): "so",                                                \
        CUresult (*)(CUstream, unsigned long long *): "so",                                          \
        CUresult (*)(CUstream, CUevent, unsigned int): "seu",                                        \
        CUresult (*)(CUevent): "e",                                                                  \
        CUresult (*)(CUevent *, unsigned int): "Eu",                                                 \
        CUresult (*)(CUevent, CUstream): "es",                                                       \
        CUresult (*)(CUevent, CUstream, unsigned int): "esu",                                        \
        CUresult (*)(float *, CUevent, CUevent): "oee")

#define ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments) \
    extern CUresult CUDAAPI symbol parameters;
#include "../c/entry_points.h"

typedef CUresult (*any_function)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

struct function {
    any_function address;
    const char *parameters;
};

static struct function functions[ENTRY_POINT_COUNT];

static void list_functions(void)
{
#define ENTRY_POINT(symbol, ...) \
    functions[ENTRY_##symbol] = (struct function){ (any_function)symbol, PARAMETERS(symbol) };
#include "../c/entry_points.h"
}

/* the input ------------------------------------------------------------------------------------ */

struct input {
    const uint8_t *data;
    size_t left;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t number = 0;

    for (; bytes && input->left; bytes--, input->left--)
        number = number << 8 | *input->data++;
    return number;
}

/* what calls answered -------------------------------------------------------------------------- */

/* A few of the newest handles of each kind, live or gone. */
struct memory {
    uint64_t values[REMEMBERED];
    unsigned int count;
};

static struct memory contexts, streams, events, device_memory, host_memory, descriptions;

static void remember(struct memory *memory, uint64_t value)
{
    memory->values[memory->count++ % REMEMBERED] = value;
}

static uint64_t recall(struct memory *memory, struct input *input)
{
    uint64_t choice = take(input, 1);

    if (choice < REMEMBERED)
        return memory->values[choice];
    if (choice < 2 * REMEMBERED)
        return memory->values[choice % REMEMBERED] + take(input, 1);
    return choice < 200 ? choice % 4 : take(input, 8);
}

static struct memory *memory_of(char letter)
{
    switch (letter) {
    case 'c':
    case 'C':
        return &contexts;
    case 's':
    case 'S':
        return &streams;
    case 'e':
    case 'E':
        return &events;
    case 'd':
    case 'D':
        return &descriptions;
    case 'a':
    case 'A':
        return &device_memory;
    default:
        return &host_memory;
    }
}

/* arguments ------------------------------------------------------------------------------------ */

static union {
    char bytes[ROOM];
    uint64_t number;
} rooms[MOST_PARAMETERS];

/* As many as a split can make. */
static uint64_t resources[66][18];

static const char *const texts[] = { "", "cuInit", "cuGetProcAddress", "cuDevicePrimaryCtxRelease",
                                     "cuMemGetInfo", "0000:00:01.0", "00000000:3B:00.0", "0,1",
                                     "1,0,1", "-1", "GPU-", "GPU-0,MIG-1", "all", "99999999999" };

/* One that is known, or the next bytes of the input. */
static const char *text(struct input *input, char room[ROOM])
{
    uint64_t choice = take(input, 1);
    size_t length = choice % (ROOM - 1);

    if (choice < sizeof texts / sizeof *texts)
        return texts[choice];
    if (length > input->left)
        length = input->left;
    memcpy(room, input->data, length);
    room[length] = '\0';
    input->data += length;
    input->left -= length;
    return room;
}

static int32_t number(struct input *input)
{
    uint64_t choice = take(input, 1);

    return choice < 250 ? (int32_t)(choice % 12) - 2 : (int32_t)take(input, 4);
}

static uintptr_t argument(char letter, struct input *input, char room[ROOM])
{
    switch (letter) {
    case 'i':
        return (uintptr_t)(intptr_t)number(input);
    case 'u': {
        uint64_t choice = take(input, 1);

        return choice < 240 ? choice % 16 : take(input, 4);
    }
    case 'z': {
        uint64_t choice = take(input, 1);

        return choice < 200 ? choice * 64 : take(input, 8);
    }
    case 'b':
        return take(input, 1);
    case 'l':
        return take(input, 1);
    case 't':
        return take(input, 1) % 16 ? (uintptr_t)text(input, room) : 0;
    case 'h':
        return (uintptr_t)room;
    case 'r':
        return take(input, 1) % 16 ? (uintptr_t)resources : 0;
    case 'c':
    case 's':
    case 'e':
    case 'a':
    case 'm':
    case 'd':
        return (uintptr_t)recall(memory_of(letter), input);
    default:
        memset(room, 0xa5, ROOM);
        return letter == 'q' || take(input, 1) % 16 ? (uintptr_t)room : 0;
    }
}

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

/* calls ---------------------------------------------------------------------------------------- */

static uint64_t count_of(uint32_t entry)
{
    struct simulated_cuda_counters counters;

    simulated_cuda_counters(&counters);
    require(counters.total_calls >= simulated_cuda_count(entry), "no function has more than all");
    return counters.total_calls;
}

static void call_the_driver(struct input *input)
{
    uint32_t entry = (uint32_t)take(input, 1) % ENTRY_POINT_COUNT;
    const struct function *function = &functions[entry];
    uint64_t before = count_of(entry);
    uintptr_t words[MOST_PARAMETERS] = { 0 };
    CUresult result;

    for (size_t index = 0; function->parameters[index]; index++)
        words[index] = argument(function->parameters[index], input, rooms[index].bytes);
    result = function->address(words[0], words[1], words[2], words[3], words[4],
                               words[5]);
    require(count_of(entry) == before + 1, "a call counts once");
    for (size_t index = 0; result == CUDA_SUCCESS && function->parameters[index]; index++)
        if (strchr("CSEAMD", function->parameters[index]) && words[index])
            remember(memory_of(function->parameters[index]), rooms[index].number);
}

/* In the middle of a call, outside the driver's lock. */
static void come_between(void *unused)
{
    (void)unused;
    (void)simulated_cuda_retain_by_others(0, 1);
}

static void come_never(void *unused)
{
    (void)unused;
}

/* What others in the process do. */
static void let_others_act(struct input *input)
{
    char room[ROOM];
    uint32_t owner = (uint32_t)take(input, 1);

    switch (take(input, 1) % 8) {
    case 0:
        (void)simulated_cuda_add_green_context(number(input));
        break;
    case 1:
        (void)simulated_cuda_remove_green_context(number(input));
        break;
    case 2:
        (void)simulated_cuda_retain_by(owner % 40, number(input), (uint32_t)take(input, 1));
        break;
    case 3:
        (void)simulated_cuda_release_by(owner % 40, number(input));
        break;
    case 4:
        (void)simulated_cuda_act_as(owner % 40);
        break;
    case 5:
        (void)simulated_cuda_owner_by_name(text(input, room));
        break;
    case 6:
        (void)simulated_cuda_add_hook(simulated_cuda_function_name(owner), take(input, 1) % 4,
                                      (uint32_t)take(input, 1) % 2, come_between, come_never, NULL);
        break;
    default:
        simulated_cuda_clear_hooks();
    }
}

static void look_behind(struct input *input)
{
    struct simulated_cuda_owner owners[4];
    struct simulated_cuda_taken taken[4];
    struct simulated_cuda_stack_entry stack[4];
    struct simulated_cuda_call calls[4];
    struct simulated_cuda_device device;
    uint64_t value;

    (void)simulated_cuda_device(number(input), &device);
    (void)simulated_cuda_stack(stack, 4);
    (void)simulated_cuda_calls(calls, 4);
    (void)simulated_cuda_knob((uint32_t)take(input, 1), &value);
    (void)simulated_cuda_knob_name((uint32_t)take(input, 1));
    (void)simulated_cuda_function_name((uint32_t)take(input, 1));
    (void)simulated_cuda_count((uint32_t)take(input, 1));
    (void)simulated_cuda_is_initialized();
    (void)simulated_cuda_device_handle(number(input));
    (void)simulated_cuda_waiting_hooks();
    (void)simulated_cuda_owner_name((uint32_t)take(input, 1));
    require(simulated_cuda_taken(taken, 4) <= 16384, "no more than there is room for");
    for (int ordinal = 0; simulated_cuda_device(ordinal, &device); ordinal++) {
        uint32_t count = simulated_cuda_owners(ordinal, owners, 4);
        uint32_t references = 0;

        for (uint32_t index = 0; index < count && index < 4; index++)
            references += owners[index].references;
        require(count > 4 ? references < device.references : references == device.references,
                "every reference has an owner");
    }
}

/* Any knob but those that take time, and no more memory than a call may fill in passing. */
static void turn_a_knob(struct input *input)
{
    const char *name = simulated_cuda_knob_name((uint32_t)take(input, 1) % KNOB_COUNT);
    uint64_t value = take(input, 1);

    if (value > 250)
        value = take(input, 4);
    if (!strstr(name, "microseconds") && strcmp(name, "device_bytes") != 0)
        (void)simulated_cuda_set_knob(name, value);
}

static void inject(struct input *input)
{
    uint64_t choice = take(input, 1);
    const char *function = choice % 2 ? simulated_cuda_function_name((uint32_t)(choice / 2)) : NULL;

    (void)simulated_cuda_inject(function, take(input, 1) % 8, number(input), (uint32_t)take(input, 2),
                                (uint32_t)take(input, 1) % 2, (uint32_t)take(input, 1) % 2);
}

static void steer(struct input *input)
{
    char room[ROOM];

    switch (take(input, 1) % 16) {
    case 0:
        (void)simulated_cuda_initialize();
        break;
    case 1:
        simulated_cuda_deinitialize();
        break;
    case 2:
        (void)simulated_cuda_retain_by_others(number(input), (uint32_t)take(input, 1));
        break;
    case 3:
        (void)simulated_cuda_release_by_others(number(input));
        break;
    case 4:
        (void)simulated_cuda_runtime_call(number(input));
        break;
    case 5:
        (void)simulated_cuda_set_pool_bytes(number(input), take(input, 4));
        break;
    case 6:
        inject(input);
        break;
    case 7:
        simulated_cuda_clear_faults();
        break;
    case 8:
        simulated_cuda_record_calls((uint32_t)take(input, 1) % 2);
        break;
    case 9:
        simulated_cuda_clear_calls();
        break;
    case 10:
        (void)simulated_cuda_set_current(number(input));
        break;
    case 11:
        (void)simulated_cuda_set_visible_devices(take(input, 1) % 8 ? text(input, room) : NULL);
        break;
    case 12:
        (void)simulated_cuda_configure((uint32_t)take(input, 1) % 8,
                                       (int32_t)take(input, 1) * 100, take(input, 1) == 0);
        (void)simulated_cuda_set_knob("device_bytes", 1 << 20);
        (void)simulated_cuda_set_knob("handles_are_ordinals", 1);
        break;
    case 13:
        (void)simulated_cuda_set_knob(text(input, room), take(input, 1) % 3);
        break;
    case 14:
        turn_a_knob(input);
        break;
    default:
        if (take(input, 1) % 2)
            let_others_act(input);
        else
            look_behind(input);
    }
}

/* from one input to the next ------------------------------------------------------------------- */

static void forget(struct memory *memory)
{
    memset(memory, 0, sizeof *memory);
}

/* The process begins anew: what the library keeps for good is given back by its own calls first. */
static void begin_anew(void)
{
    uint32_t depth;

    simulated_cuda_clear_faults();
    simulated_cuda_clear_hooks();
    simulated_cuda_act_as(0);
    simulated_cuda_record_calls(0);
    simulated_cuda_clear_calls();
    driver.state = IS_INITIALIZED;
    process_page->initialized = 1;
    driver.stub = false;
    for (unsigned int index = 0; index < REMEMBERED; index++)
        cuMemFreeHost((void *)(uintptr_t)host_memory.values[index]);
    for (unsigned int index = 0; index < REMEMBERED; index++)
        cuCtxDestroy_v2((CUcontext)(uintptr_t)contexts.values[index]);
    for (uint32_t ordinal = 0; ordinal < driver.device_count; ordinal++)
        if (driver.devices[ordinal].primary.alive)
            deactivate_primary_context(&driver.devices[ordinal]);
    for (depth = simulated_cuda_stack(NULL, 0); depth; depth--)
        pop_context();
    driver.state = NEVER_INITIALIZED;
    driver.init_failed = false;
    driver.init_refused = false;
    driver.device_count = 0;
    process_page->initialized = 0;
    process_page->init_failed = 0;
    forget(&contexts);
    forget(&streams);
    forget(&events);
    forget(&device_memory);
    forget(&host_memory);
    forget(&descriptions);
    require(simulated_cuda_configure(4, 13000, 0) == 1, "a new process can be configured");
    require(simulated_cuda_set_knob("device_bytes", 1 << 20) == 1, "the knob is known");
    require(simulated_cuda_set_knob("handles_are_ordinals", 1) == 1, "the knob is known");
    require(simulated_cuda_set_knob("context_bytes", 1 << 10) == 1, "the knob is known");
    require(simulated_cuda_set_visible_devices(NULL) == 1, "all devices are visible");
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    list_functions();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };

    begin_anew();
    if (take(&input, 1) % 8)
        (void)simulated_cuda_initialize();
    for (int calls = 0; input.left && calls < MOST_CALLS; calls++) {
        if (take(&input, 1) % 4)
            call_the_driver(&input);
        else
            steer(&input);
    }
    return 0;
}
