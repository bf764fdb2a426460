/* Retaining and releasing primary contexts on somebody's behalf. */
#pragma once

#include "driver.h"

/* primary_context.c */
CUresult retain_for(struct device *device, uint32_t owner);
CUresult release_for(struct device *device, uint32_t owner, CUresult result_at_zero);
CUresult hold_for_green_context(struct device *device);
CUresult let_go_of_green_context(struct device *device);
/* As the real driver does in some children: SIGSEGV. */
void die_of_a_bad_address(void);

/* references_of_others.c */
bool hold_at_start(int ordinal, uint32_t references);
bool references_of_others_are_possible(int *missing);
void apply_references_of_others(void);
void forget_references_of_others(void);
CUresult retain_for_others(uint32_t owner, int ordinal, uint32_t references);
