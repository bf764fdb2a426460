/* The control calls for faults in the calls of clients, and for what can be seen of the calls. */
#include "control.h"
#include "watched_calls.h"

void simulated_cuda_clear_faults(void)
{
    lock_driver();
    clear_faults();
    unlock_driver();
}

uint32_t simulated_cuda_add_hook(const char *function, uint64_t nth, uint32_t after,
                                 simulated_cuda_hook run, simulated_cuda_hook discard, void *data)
{
    UNDER_LOCK(uint32_t, add_hook(function, nth, after != 0, run, discard, data));
}

void simulated_cuda_clear_hooks(void)
{
    lock_driver();
    clear_hooks();
    unlock_driver();
}

uint64_t simulated_cuda_count(uint32_t index)
{
    if (index >= ENTRY_POINT_COUNT)
        return 0;
    UNDER_LOCK(uint64_t, driver.calls[index]);
}

void simulated_cuda_counters(struct simulated_cuda_counters *out)
{
    lock_driver();
    *out = (struct simulated_cuda_counters){
        .total_calls = driver.total_calls,
        .faults_fired = faults_fired(),
        .underflows = driver.underflows,
    };
    unlock_driver();
}
