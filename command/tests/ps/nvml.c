/*
 * A stand-in for NVML. NVML_STAND_IN names a file: its first line is the number of GPUs, each other line is a
 * context (GPU PID MIB INSTANCE; -1 for what is not known), a GPU's free memory (free GPU MIB) or a call that fails
 * (fail FUNCTION GPU CODE). The tests of the crate `cuda-primary-context` use it, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct process {
    unsigned int pid;
    unsigned long long bytes;
    unsigned int instance, compute;
};

struct memory {
    unsigned int version;
    unsigned long long total, reserved, free, used;
};

static struct process found[100];
static unsigned int found_count;
static unsigned long long free_bytes;

/* Finds the contexts and the free memory on a GPU. Returns the code with which a function fails on it. */
static int look(const char *function, long gpu, unsigned int *gpus)
{
    FILE *file = fopen(getenv("NVML_STAND_IN"), "r");
    long on, pid, mib, instance;
    char line[200], name[100];
    int code = 0, at, with;

    found_count = 0;
    free_bytes = 0;
    *gpus = fgets(line, sizeof line, file) ? (unsigned int)atoi(line) : 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "fail %99s %d %d", name, &at, &with) == 3 && !strcmp(name, function) && at == gpu)
            code = with;
        if (sscanf(line, "free %ld %ld", &on, &mib) == 2 && on == gpu)
            free_bytes = (unsigned long long)mib << 20;
        if (sscanf(line, "%ld %ld %ld %ld", &on, &pid, &mib, &instance) == 4 && on == gpu)
            found[found_count++] = (struct process){ (unsigned int)pid, mib < 0 ? ~0ull : (unsigned long long)mib << 20,
                                                     (unsigned int)instance, (unsigned int)instance };
    }
    fclose(file);
    return code;
}

static int fails(const char *function, long gpu)
{
    unsigned int unused;

    return look(function, gpu, &unused);
}

int nvmlInit_v2(void)
{
    return fails(__func__, 0);
}

int nvmlShutdown(void)
{
    return 0;
}

const char *nvmlErrorString(int code)
{
    return code ? "an error" : "no error";
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
    return look(__func__, 0, count);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device)
{
    *device = (void *)(index + 1ul);
    return fails(__func__, index);
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned int length)
{
    snprintf(text, length, "GPU-%08lx-0000-0000-0000-000000000000", (unsigned long)device);
    return fails(__func__, (long)device - 1);
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *memory)
{
    int code = fails(__func__, (long)device - 1);

    memory->free = free_bytes;
    return code;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, struct process *out)
{
    unsigned int room = *count, unused;
    int code = look(__func__, (long)device - 1, &unused);

    *count = found_count;
    if (room < found_count || (found_count && !out))
        return 7; /* NVML_ERROR_INSUFFICIENT_SIZE */
    if (out)
        memcpy(out, found, found_count * sizeof *out);
    return code;
}
