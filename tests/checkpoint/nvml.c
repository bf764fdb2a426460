/*
 * NVML with two GPUs: process 41 has 1000 bytes on the first and 300 on the second, which lists it twice, as
 * with two instances of a divided GPU; 42 has an unknown amount; 5000 and 200 bytes are free.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct device *nvmlDevice_t;
struct process { unsigned int pid; unsigned long long bytes; unsigned int instance, compute; };
struct memory { unsigned int version; unsigned long long total, reserved, free, used; };
static unsigned long long number(nvmlDevice_t device) { return (unsigned long long)device - 1; }
int nvmlInit_v2(void) { const char *code = getenv("FAKE_NVML_INIT"); return code ? atoi(code) : 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "an error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned int length) { snprintf(text, length, "580.0"); return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    *device = (nvmlDevice_t)(unsigned long long)(index + 1);
    return 0;
}
int nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int length)
{
    int digit = (int)number(device) + 1;
    const char *without = getenv("FAKE_NVML_WITHOUT_UUID");
    if (without && atoi(without) == digit)
        return 999;
    snprintf(text, length, "GPU-0%d000000-0000-0000-0000-00000000000%d", digit, digit);
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory *memory)
{
    memory->total = 10000;
    memory->free = number(device) ? 200 : 5000;
    memory->used = memory->total - memory->free;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, struct process *out)
{
    struct process first[] = { { 41, 1000, ~0u, ~0u }, { 42, ~0ull, ~0u, ~0u } };
    struct process second[] = { { 41, 200, 1, 0 }, { 40, 7, 1, 0 }, { 41, 100, 2, 0 } };
    unsigned int room = *count;
    *count = number(device) ? 3 : 2;
    if (room < *count || !out)
        return 7;
    if (number(device))
        memcpy(out, second, sizeof second);
    else
        memcpy(out, first, sizeof first);
    return 0;
}
