/* What the driver enumerates: devices by handle and ordinal, their identity, memory and primary contexts. */
#pragma once

#include "driver.h"

/* device_identity.c: of a GPU on the machine, before CUDA_VISIBLE_DEVICES */
void describe_uuid(uint32_t physical, unsigned char bytes[16]);
void describe_instance_uuid(uint32_t physical, unsigned char bytes[16]);
int pci_bus_of(uint32_t physical);
int pci_domain_of(uint32_t physical);

/* devices.c */
struct device *find_device(CUdevice handle);
struct device *device_at(int ordinal);
CUdevice device_handle(int ordinal);
int ordinal_of_device(CUdevice handle);
size_t free_bytes_of(const struct device *device);

/* visible_devices.c */
CUresult choose_visible_devices(const char *list, uint32_t *chosen, uint32_t *count);

/* primary_context.c: functions of two generations */
CUresult primary_context_release(CUdevice handle, int generation);
CUresult primary_context_reset(CUdevice handle, int generation);
CUresult primary_context_set_flags(CUdevice handle, unsigned int flags, int generation);
/* On somebody's behalf. */
CUresult retain_for(struct device *device, uint32_t owner);
CUresult release_for(struct device *device, uint32_t owner, CUresult result_at_zero);
CUresult hold_for_green_context(struct device *device);
CUresult let_go_of_green_context(struct device *device);
/* As the real driver does in some children: SIGSEGV. */
void die_of_a_bad_address(void);

/* ordinary_context.c */
CUresult context_create(CUcontext *handle, unsigned int flags, CUdevice of, uint32_t api_version,
                        int parameters);
