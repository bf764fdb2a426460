/*
 * The side channel that real drivers have: open device files, inherited by every child. Off unless a
 * directory is named; then "nvidiactl" is opened by cuInit and "nvidiaN" at a device's first
 * activation, and both stay open until the process ends.
 */
#include "devices.h"

#include <fcntl.h>
#include <stdio.h>

static void open_named(const char *name)
{
    char path[STORED_TEXT + 32];

    snprintf(path, sizeof path, "%s/%s", driver.device_files, name);
    open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

void open_control_file(void)
{
    if (driver.device_files[0])
        open_named("nvidiactl");
}

void open_device_file(struct device *device)
{
    char name[32];

    if (device->has_file || !driver.device_files[0])
        return;
    snprintf(name, sizeof name, "nvidia%u", device->physical);
    open_named(name);
    device->has_file = true;
}
