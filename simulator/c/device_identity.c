/* Who each GPU of the machine is. */
#include "devices.h"

/* Sixteen bytes that look random, differ from device to device and never change. */
static void describe(uint64_t state, unsigned char bytes[16])
{
    for (int index = 0; index < 16; index++) {
        if (index % 8 == 0) {
            state += 0x9e3779b97f4a7c15u;
            state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
            state = (state ^ (state >> 27)) * 0x94d049bb133111ebu;
            state ^= state >> 31;
        }
        bytes[index] = (unsigned char)(state >> (8 * (index % 8)));
    }
}

void describe_uuid(uint32_t physical, unsigned char bytes[16])
{
    describe(0x53494d554c415445u + physical, bytes);
}

void describe_instance_uuid(uint32_t physical, unsigned char bytes[16])
{
    describe(0x494e5354414e4345u + physical, bytes);
}

int pci_bus_of(uint32_t physical)
{
    return (int)(physical % 255) + 1;
}

int pci_domain_of(uint32_t physical)
{
    return (int)(physical / 255);
}
