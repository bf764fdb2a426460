/* What the driver enumerates: devices by handle and ordinal, their identity, memory and files. */
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
CUresult choose_visible_devices(const char *list, uint32_t physical_devices, uint32_t *chosen,
                                uint32_t *count);

/* device_files.c */
void open_control_file(void);
void open_device_file(struct device *device);
void close_device_files(void);
