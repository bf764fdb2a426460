/*
 * The side channel that real drivers have: open device files, inherited by every child. Off unless a
 * directory is named; then "nvidiactl" is opened by cuInit and "nvidiaN" at a device's first
 * activation, and both stay open until the end, as with the real driver.
 */
#include "devices.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int control_file = -1;

static int open_named(const char *name)
{
    char path[STORED_TEXT + 32];

    if (!driver.device_files[0])
        return -1;
    snprintf(path, sizeof path, "%s/%s", driver.device_files, name);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

void open_control_file(void)
{
    if (control_file == -1)
        control_file = open_named("nvidiactl");
}

void open_device_file(struct device *device)
{
    char name[32];

    if (device->file != -1 || !driver.device_files[0])
        return;
    snprintf(name, sizeof name, "nvidia%u", device->physical);
    device->file = open_named(name);
}

static void close_file(int *file)
{
    if (*file != -1)
        close(*file);
    *file = -1;
}

void close_device_files(void)
{
    close_file(&control_file);
    for (uint32_t index = 0; index < driver.device_count; index++)
        close_file(&driver.devices[index].file);
}
