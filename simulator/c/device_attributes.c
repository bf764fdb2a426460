/* Device attributes: one plausible data-centre GPU, the same for every device but for its PCI place. */
#include "devices.h"
#include "implementations.h"

enum {
    PCI_BUS_ID = 33,
    PCI_DEVICE_ID = 34,
    PCI_DOMAIN_ID = 50,
    COMPUTE_CAPABILITY_MAJOR = 75,
    COMPUTE_CAPABILITY_MINOR = 76,
    ATTRIBUTE_COUNT = 162 /* one past the last of CUDA 13.5 */
};

/* By the numbers of CUdevice_attribute; those not named are 0. */
static const int values[ATTRIBUTE_COUNT] = {
    [1] = 1024,        /* threads in a block */
    [2] = 1024,        /* block dimensions */
    [3] = 1024,
    [4] = 64,
    [5] = 2147483647,  /* grid dimensions */
    [6] = 65535,
    [7] = 65535,
    [8] = 49152,       /* shared memory of a block */
    [9] = 65536,       /* constant memory */
    [10] = 32,         /* threads in a warp */
    [11] = 2147483647, /* pitch */
    [12] = 65536,      /* registers of a block */
    [13] = 1980000,    /* clock, kHz */
    [14] = 512,        /* texture alignment */
    [15] = 1,          /* copies while it computes */
    [16] = 132,        /* multiprocessors */
    [19] = 1,          /* maps host memory */
    [21] = 131072,     /* texture sizes */
    [22] = 131072,
    [23] = 65536,
    [24] = 16384,
    [25] = 16384,
    [26] = 16384,
    [27] = 32768,
    [28] = 32768,
    [29] = 2048,
    [30] = 512,        /* surface alignment */
    [31] = 1,          /* concurrent kernels */
    [32] = 1,          /* error correction */
    [36] = 2619000,    /* memory clock, kHz */
    [37] = 5120,       /* memory bus, bits */
    [38] = 52428800,   /* second-level cache */
    [39] = 2048,       /* threads of a multiprocessor */
    [40] = 3,          /* copy engines */
    [41] = 1,          /* unified addressing */
    [42] = 32768,
    [43] = 2048,
    [45] = 32768,
    [46] = 32768,
    [47] = 8192,
    [48] = 8192,
    [49] = 32768,
    [51] = 32,         /* texture pitch alignment */
    [52] = 32768,
    [53] = 32768,
    [54] = 2046,
    [55] = 32768,      /* surface sizes */
    [56] = 131072,
    [57] = 65536,
    [58] = 16384,
    [59] = 16384,
    [60] = 16384,
    [61] = 32768,
    [62] = 2048,
    [63] = 32768,
    [64] = 32768,
    [65] = 2048,
    [66] = 32768,
    [67] = 32768,
    [68] = 2046,
    [69] = 268435456,  /* linear textures */
    [70] = 131072,
    [71] = 65000,
    [72] = 2097120,
    [73] = 32768,
    [74] = 32768,
    [COMPUTE_CAPABILITY_MAJOR] = 9,
    [COMPUTE_CAPABILITY_MINOR] = 0,
    [77] = 32768,
    [78] = 1,          /* stream priorities */
    [79] = 1,          /* first-level caches */
    [80] = 1,
    [81] = 233472,     /* shared memory of a multiprocessor */
    [82] = 65536,      /* registers of a multiprocessor */
    [87] = 2,          /* single to double precision */
    [91] = 1,          /* host pointers of registered memory */
    [97] = 232448,     /* shared memory of a block, opted into */
    [99] = 1,          /* registers host memory */
    [106] = 32,        /* blocks of a multiprocessor */
    [111] = 1024,      /* reserved shared memory of a block */
    [120] = 1,         /* cluster launch */
    [126] = 4,         /* memory synchronisation domains */
    [130] = 0,         /* no NUMA node */
    [131] = -1,
    [134] = -1,
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
    case PCI_DEVICE_ID:
    default:
        *value = values[number];
    }
    return CUDA_SUCCESS;
}

CUresult device_compute_capability(int *major, int *minor, CUdevice handle)
{
    if (!find_device(handle))
        return CUDA_ERROR_INVALID_DEVICE;
    if (!major || !minor)
        return CUDA_ERROR_INVALID_VALUE;
    *major = values[COMPUTE_CAPABILITY_MAJOR];
    *minor = values[COMPUTE_CAPABILITY_MINOR];
    return CUDA_SUCCESS;
}
