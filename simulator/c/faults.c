/* Injected faults: this call, of this function, for this device, returns this code. */
#include "watched_calls.h"

enum { MAXIMUM_FAULTS = 1024 };

static struct fault faults[MAXIMUM_FAULTS];
static size_t fault_count;
static uint64_t fired;

bool inject_fault(const struct fault *fault)
{
    if (fault_count == MAXIMUM_FAULTS)
        return false;
    faults[fault_count++] = *fault;
    driver.watched |= HAS_FAULTS;
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
    fault_count = 0;
    fired = 0;
    driver.watched &= ~HAS_FAULTS;
}

uint64_t faults_fired(void)
{
    return fired;
}
