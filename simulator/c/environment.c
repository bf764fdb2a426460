/*
 * Settings for clients that are not Rust, read when the library loads. What makes no sense is
 * remembered, and cuInit then says which variable it was and answers 999.
 */
#include "simulated.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE_TEN = 10 };

static bool parse_number(const char *text, uint64_t maximum, uint64_t *number)
{
    char *end;
    unsigned long long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, BASE_TEN);
    if (errno || *end || value > maximum)
        return false;
    *number = value;
    return true;
}

static bool read_devices(char *text)
{
    uint64_t number;

    if (!parse_number(text, MAXIMUM_DEVICES, &number))
        return false;
    driver.physical_devices = (uint32_t)number;
    return true;
}

static bool read_driver_version(char *text)
{
    uint64_t number;

    if (!parse_number(text, INT_MAX, &number))
        return false;
    driver.version = (int)number;
    return true;
}

/* Calls a reader for each entry between commas. */
static bool for_each_entry(char *text, bool (*read)(char *entry))
{
    char *entry;

    while ((entry = strsep(&text, ",")))
        if (!read(entry))
            return false;
    return true;
}

/* ORDINAL:REFERENCES */
static bool read_foreign_entry(char *entry)
{
    char *ordinal_text = strsep(&entry, ":");
    uint64_t ordinal;
    uint64_t references;

    return entry && parse_number(ordinal_text, MAXIMUM_DEVICES - 1, &ordinal)
           && parse_number(entry, UINT32_MAX, &references)
           && hold_at_start((int)ordinal, (uint32_t)references);
}

static bool read_foreign(char *text)
{
    return for_each_entry(text, read_foreign_entry);
}

/* NAME=VALUE */
static bool read_knob(char *entry)
{
    char *name = strsep(&entry, "=");
    uint64_t value;

    return entry && parse_number(entry, UINT64_MAX, &value) && set_knob(name, value);
}

static bool read_knobs(char *text)
{
    return for_each_entry(text, read_knob);
}

/* One of two words. */
static bool parse_choice(const char *text, const char *no, const char *yes, bool *chosen)
{
    *chosen = text && !strcmp(text, yes);
    return text && (*chosen || !strcmp(text, no));
}

/* FUNCTION:NTH:CODE:EFFECT:PERSISTENCE[:DEVICE], where FUNCTION may be "any" */
static bool read_fault(char *entry)
{
    char *function = strsep(&entry, ":");
    char *nth_text = strsep(&entry, ":");
    char *code_text = strsep(&entry, ":");
    char *effect = strsep(&entry, ":");
    char *persistence = strsep(&entry, ":");
    uint64_t device = 0;
    uint64_t code;
    uint64_t nth;
    bool done;
    bool lasting;

    if (!nth_text || !code_text || !parse_number(nth_text, UINT64_MAX, &nth)
        || !parse_number(code_text, UINT32_MAX, &code)
        || !parse_choice(effect, "refused", "done", &done)
        || !parse_choice(persistence, "once", "from_then_on", &lasting))
        return false;
    if (entry && !parse_number(entry, MAXIMUM_DEVICES - 1, &device))
        return false;
    return inject_fault(strcmp(function, "any") ? function : NULL, nth, entry ? (int)device : -1,
                        (uint32_t)code, done, lasting);
}

static bool read_faults(char *text)
{
    return for_each_entry(text, read_fault);
}

static bool read_log(char *text)
{
    return log_calls_to_file(text);
}

static bool read_device_files(char *text)
{
    if (strlen(text) >= sizeof driver.device_files)
        return false;
    strcpy(driver.device_files, text);
    return true;
}

static bool read_stub(char *text)
{
    return parse_choice(text, "0", "1", &driver.stub);
}

void note_malformed_variable(const char *name)
{
    snprintf(driver.malformed_variable, sizeof driver.malformed_variable, "%s", name);
}

static void read_variable(const char *name, bool (*read)(char *text))
{
    const char *value = getenv(name);
    char *copy = value ? strdup(value) : NULL;

    if (!value)
        return;
    if (!copy || !read(copy))
        note_malformed_variable(name);
    free(copy);
}

void read_environment(void)
{
    read_variable("SIMULATED_CUDA_DEVICES", read_devices);
    read_variable("SIMULATED_CUDA_DRIVER_VERSION", read_driver_version);
    read_variable("SIMULATED_CUDA_STUB", read_stub);
    read_variable("SIMULATED_CUDA_FOREIGN", read_foreign);
    read_variable("SIMULATED_CUDA_KNOBS", read_knobs);
    read_variable("SIMULATED_CUDA_FAULT", read_faults);
    read_variable("SIMULATED_CUDA_LOG", read_log);
    read_variable("SIMULATED_CUDA_DEVICE_FILES", read_device_files);
}
