/* Device attributes: one plausible data-centre GPU, the same for every device but for its PCI place. */
#include "devices.h"

enum {
    PCI_BUS_ID = 33,
    PCI_DOMAIN_ID = 50,
    COMPUTE_CAPABILITY_MAJOR = 75,
    COMPUTE_CAPABILITY_MINOR = 76,
    ATTRIBUTE_COUNT = 162 /* one past the last of CUDA 13.5 */
};

/* By the numbers of CUdevice_attribute; those not named are 0. */
static const int values[ATTRIBUTE_COUNT] = {
    [1] = 1024,        /* threads of a block */
    [8] = 49152,       /* shared memory of a block */
    [10] = 32,         /* threads of a warp */
    [16] = 132,        /* multiprocessors */
    [COMPUTE_CAPABILITY_MAJOR] = 9,
    [COMPUTE_CAPABILITY_MINOR] = 0,
};

CUresult device_get_attribute(int *value, CUdevice_attribute attribute, CUdevice handle)
{
    const struct device *device = find_device(handle);
    int number = (int)attribute;

    if (!value || number < 1 || number >= ATTRIBUTE_COUNT)
        return CUDA_ERROR_INVALID_VALUE;
    switch (number) {
    case PCI_BUS_ID:
        *value = pci_bus_of(device->physical);
        break;
    case PCI_DOMAIN_ID:
        *value = pci_domain_of(device->physical);
        break;
    default:
        *value = values[number];
    }
    return CUDA_SUCCESS;
}
