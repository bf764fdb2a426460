/* Injected faults: this call, of this function, for this device, returns this code. */
#include "watched_calls.h"

enum { ANY_FUNCTION = -1, ANY_DEVICE = -1, MAXIMUM_FAULTS = 1024 };

struct fault {
    int entry;
    int device;
    uint32_t code;
    bool done_then_reported; /* the call acts before it returns the code */
    bool from_then_on;
    uint64_t nth;  /* among the matching calls since the fault was armed, from 1 */
    uint64_t seen;
};

static struct fault faults[MAXIMUM_FAULTS];
static size_t fault_count;
static uint64_t fired;

static void update_faults(size_t count)
{
    fault_count = count;
    driver.has_faults = count > 0;
    update_watched();
}

/* A NULL function means any; a negative device means any. */
bool inject_fault(const char *function, uint64_t nth, int device, uint32_t code,
                  bool done_then_reported, bool from_then_on)
{
    int entry = function ? entry_point_index(function) : ANY_FUNCTION;

    if ((function && entry < 0) || !nth || fault_count == MAXIMUM_FAULTS)
        return false;
    faults[fault_count] = (struct fault){ .entry = entry,
                                            .device = device < 0 ? ANY_DEVICE : device,
                                            .code = code,
                                            .done_then_reported = done_then_reported,
                                            .from_then_on = from_then_on,
                                            .nth = nth };
    update_faults(fault_count + 1);
    return true;
}

static bool concerns(const struct fault *fault, const struct call *call)
{
    return (fault->entry == ANY_FUNCTION || fault->entry == (int)call->entry)
           && (fault->device == ANY_DEVICE || fault->device == call->device);
}

/* Every armed fault counts the call; the first that is due decides what it returns. */
void apply_faults(struct call *call)
{
    for (size_t index = 0; index < fault_count; index++) {
        struct fault *fault = &faults[index];

        if (!concerns(fault, call))
            continue;
        fault->seen++;
        if (call->fault_fired || fault->seen < fault->nth
            || (fault->seen > fault->nth && !fault->from_then_on))
            continue;
        call->fault_fired = true;
        call->refused = !fault->done_then_reported;
        call->fault_code = (CUresult)fault->code;
        fired++;
    }
}

void clear_faults(void)
{
    update_faults(0);
    fired = 0;
}

uint64_t faults_fired(void)
{
    return fired;
}
