/* The process as a whole: its state, what its environment says, and how functions are found in it. */
#pragma once

#include "driver.h"

enum needs { ALWAYS, INITIALIZED };

/* process_state.c */
/* The result of a call that this state refuses, CUDA_SUCCESS for one that may go on. */
CUresult refusal_by_state(enum needs needs);
void deinitialize_process(void);
void reset_driver(void);

/* environment.c */
void read_environment(void);
/* NAME=VALUE, as in the environment. */
void read_setting(const char *setting);
void complain_of_environment(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* get_proc_address.c */
void resolve_entry_points(void);
