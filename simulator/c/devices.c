/* What the driver enumerates, and who each device is. */
#include "devices.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

/* Real handles are the ordinals. Others here find a client that takes one for the other. */
enum { FIRST_HANDLE = 1000000 };

static uint32_t first_handle(void)
{
    return knob(handles_are_ordinals) ? 0 : FIRST_HANDLE;
}

struct device *device_at(int ordinal)
{
    return (uint32_t)ordinal < driver.device_count ? &driver.devices[ordinal] : NULL;
}

/* Entry points that name a device are refused before this if there is none. */
struct device *find_device(CUdevice handle)
{
    return device_at((int)((uint32_t)handle - first_handle()));
}

CUdevice device_handle(int ordinal)
{
    return (CUdevice)((uint32_t)ordinal + first_handle());
}

int ordinal_of_device(CUdevice handle)
{
    uint32_t ordinal = (uint32_t)handle - first_handle();

    return ordinal < MAXIMUM_DEVICES ? (int)ordinal : NO_DEVICE;
}

size_t free_bytes_of(const struct device *device)
{
    size_t whole = (size_t)knob(device_bytes);

    if (driver.shares_machine)
        return (size_t)free_for_all(device->physical);
    return device->used_bytes < whole ? whole - device->used_bytes : 0;
}

CUresult device_get_count(int *count)
{
    if (!count)
        return CUDA_ERROR_INVALID_VALUE;
    *count = (int)driver.device_count;
    return CUDA_SUCCESS;
}

CUresult device_get(CUdevice *device, int ordinal)
{
    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    if (!device_at(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    *device = device_handle(ordinal);
    return CUDA_SUCCESS;
}

/* All devices have one name. What does not fit is cut, as the driver does, and it always ends in a zero. */
CUresult device_get_name(char *name, int length, CUdevice handle)
{
    (void)handle;
    if (!name || length <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (knob(device_name_bytes))
        snprintf(name, (size_t)length, "%0*d", (int)knob(device_name_bytes), 0);
    else
        snprintf(name, (size_t)length, "Simulated CUDA Device");
    return CUDA_SUCCESS;
}

CUresult device_get_uuid(CUuuid *uuid, CUdevice handle)
{
    const struct device *device = find_device(handle);

    if (!uuid)
        return CUDA_ERROR_INVALID_VALUE;
    describe_uuid(device->physical, (unsigned char *)uuid->bytes);
    return CUDA_SUCCESS;
}

/* As documented, the two differ for a MIG instance, and for nothing else. */
CUresult device_get_uuid_v2(CUuuid *uuid, CUdevice handle)
{
    CUresult result = device_get_uuid(uuid, handle);

    if (result == CUDA_SUCCESS && knob(mig_instances))
        describe_instance_uuid(find_device(handle)->physical, (unsigned char *)uuid->bytes);
    return result;
}

CUresult device_get_pci_bus_id(char *id, int length, CUdevice handle)
{
    const struct device *device = find_device(handle);
    char text[16];

    if (!id || length <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(text, sizeof text, "%04X:%02X:00.0", (unsigned)pci_domain_of(device->physical),
             (unsigned)pci_bus_of(device->physical));
    if ((size_t)length <= strlen(text))
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(id, text, strlen(text) + 1);
    return CUDA_SUCCESS;
}

/* [domain:]bus:device[.function], in hexadecimal. */
static bool parse_pci_bus_id(const char *id, unsigned int *domain, unsigned int *bus)
{
    unsigned int slot = 0;
    unsigned int function = 0;
    int end = 0;

    *domain = 0;
    if (strchr(id, ':') != strrchr(id, ':') && sscanf(id, "%8x:%n", domain, &end) == 1)
        id += end;
    return sscanf(id, "%2x:%2x%n.%1x%n", bus, &slot, &end, &function, &end) >= 2 && !id[end]
           && slot == 0 && function == 0;
}

CUresult device_get_by_pci_bus_id(CUdevice *handle, const char *id)
{
    unsigned int domain;
    unsigned int bus;

    if (!handle || !id)
        return CUDA_ERROR_INVALID_VALUE;
    if (!parse_pci_bus_id(id, &domain, &bus))
        return CUDA_ERROR_INVALID_VALUE;
    for (uint32_t index = 0; index < driver.device_count; index++) {
        uint32_t physical = driver.devices[index].physical;

        if ((unsigned)pci_domain_of(physical) == domain && (unsigned)pci_bus_of(physical) == bus) {
            *handle = device_handle((int)index);
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_DEVICE;
}

CUresult device_total_memory(size_t *bytes, CUdevice handle)
{
    (void)handle;
    if (!bytes)
        return CUDA_ERROR_INVALID_VALUE;
    *bytes = (size_t)knob(device_bytes);
    return CUDA_SUCCESS;
}
