/* What the control calls share. */
#pragma once

#include "machine.h"
#include "simulated_cuda.h"

/* Does one thing under the lock and returns its value. */
#define UNDER_LOCK(type, expression)   \
    do {                               \
        type answer_;                  \
        lock_driver();                 \
        answer_ = (expression);        \
        if (driver.shares_machine)     \
            publish_own_memory();      \
        unlock_driver();               \
        return answer_;                \
    } while (0)

CUresult initialize_for_others(void);
