/* Device attributes: one plausible data-centre GPU, the same for every device but for its PCI place. */
#include "devices.h"
#include "implementations.h"

enum {
    PCI_BUS_ID = 33,
    PCI_DOMAIN_ID = 50,
    COMPUTE_CAPABILITY_MAJOR = 75,
    COMPUTE_CAPABILITY_MINOR = 76,
    ATTRIBUTE_COUNT = 162 /* one past the last of CUDA 13.5 */
};

/* By the numbers of CUdevice_attribute; those not named are 0. */
static const int values[ATTRIBUTE_COUNT] = {
    [1] = 1024,        /* threads of a block, and its dimensions */
    [2] = 1024,
    [3] = 1024,
    [4] = 64,
    [5] = 2147483647,  /* dimensions of a grid */
    [6] = 65535,
    [7] = 65535,
    [8] = 49152,       /* shared memory of a block */
    [9] = 65536,       /* constant memory */
    [10] = 32,         /* threads of a warp */
    [12] = 65536,      /* registers of a block */
    [13] = 1980000,    /* clock, kHz */
    [16] = 132,        /* multiprocessors */
    [19] = 1,          /* maps host memory */
    [31] = 1,          /* concurrent kernels */
    [32] = 1,          /* error correction */
    [36] = 2619000,    /* clock of the memory, kHz */
    [37] = 5120,       /* bus of the memory, bits */
    [38] = 52428800,   /* second-level cache */
    [39] = 2048,       /* threads of a multiprocessor */
    [41] = 1,          /* unified addressing */
    [COMPUTE_CAPABILITY_MAJOR] = 9,
    [COMPUTE_CAPABILITY_MINOR] = 0,
};

CUresult device_get_attribute(int *value, CUdevice_attribute attribute, CUdevice handle)
{
    const struct device *device = find_device(handle);
    int number = (int)attribute;

    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
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
