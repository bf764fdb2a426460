/*
 * Settings for clients that are not Rust, read when the library loads. The first thing that is wrong is
 * remembered, and cuInit then says which variable and which entry it was, why, and what is accepted,
 * and returns 1.
 */
#include "machine.h"
#include "watched_calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { BASE_TEN = 10 };

static const struct {
    const char *name;
    uint64_t initial;
} known_knobs[KNOB_COUNT] = {
#define KNOB(name, initial) { #name, initial },
#include "knobs.h"
#undef KNOB
};

uint64_t knobs[KNOB_COUNT];

void reset_knobs(void)
{
    for (unsigned int index = 0; index < KNOB_COUNT; index++)
        knobs[index] = known_knobs[index].initial;
}

/* Why the last reader refused. */
static const char *why;

static bool refuse(const char *reason)
{
    why = reason;
    return false;
}

void complain_of_environment(const char *format, ...)
{
    va_list values;

    if (driver.complaint[0])
        return;
    va_start(values, format);
    vsnprintf(driver.complaint, sizeof driver.complaint, format, values);
    va_end(values);
}

static bool parse_number(const char *text, uint64_t maximum, uint64_t *number)
{
    char *end;
    unsigned long long value;

    if (*text < '0' || *text > '9')
        return refuse(*text ? "not a number" : "a number is missing");
    errno = 0;
    value = strtoull(text, &end, BASE_TEN);
    if (*end)
        return refuse("not a number");
    if (errno || value > maximum)
        return refuse("too great a number");
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

/* ORDINAL:REFERENCES */
static bool read_others_entry(char *entry)
{
    char *ordinal_text = strsep(&entry, ":");
    uint64_t ordinal;
    uint64_t references;

    if (!entry)
        return refuse("there is no colon");
    if (!parse_number(ordinal_text, MAXIMUM_DEVICES - 1, &ordinal)
        || !parse_number(entry, UINT32_MAX, &references))
        return false;
    driver.held_at_start[ordinal] += (uint32_t)references;
    return true;
}

/* NAME=VALUE */
static bool read_knob(char *entry)
{
    char *name = strsep(&entry, "=");
    uint64_t value;

    if (!entry)
        return refuse("there is no equals sign");
    if (!parse_number(entry, UINT64_MAX, &value))
        return false;
    for (unsigned int index = 0; index < KNOB_COUNT; index++) {
        if (!strcmp(known_knobs[index].name, name)) {
            knobs[index] = value;
            return true;
        }
    }
    return refuse("there is no knob of this name");
}

/* One of two words. */
static bool parse_choice(const char *text, const char *no, const char *yes, bool *chosen)
{
    if (!text)
        return refuse("a part is missing");
    *chosen = !strcmp(text, yes);
    return *chosen || !strcmp(text, no) || refuse("a part is neither of the two words that it can be");
}

/* FUNCTION:NTH:CODE:EFFECT:PERSISTENCE[:DEVICE], where FUNCTION may be "any" */
static bool read_fault(char *entry)
{
    char *function = strsep(&entry, ":");
    char *nth_text = strsep(&entry, ":");
    char *code_text = strsep(&entry, ":");
    char *effect = strsep(&entry, ":");
    char *persistence = strsep(&entry, ":");
    struct fault fault = { .entry = ANY_FUNCTION, .device = ANY_DEVICE };
    uint64_t device;
    uint64_t code;

    if (!nth_text || !code_text)
        return refuse("a part is missing");
    if (strcmp(function, "any") != 0 && (fault.entry = entry_point_index(function)) < 0)
        return refuse("there is no function of this name");
    if (!parse_number(nth_text, UINT64_MAX, &fault.nth) || !parse_number(code_text, UINT32_MAX, &code)
        || !parse_choice(effect, "refused", "done", &fault.done_then_reported)
        || !parse_choice(persistence, "once", "from_then_on", &fault.from_then_on))
        return false;
    fault.code = (uint32_t)code;
    if (entry) {
        if (!parse_number(entry, MAXIMUM_DEVICES - 1, &device))
            return false;
        fault.device = (int)device;
    }
    if (!fault.nth)
        return refuse("calls are counted from 1");
    return inject_fault(&fault) || refuse("more than 1024 faults");
}

/* Nothing ends the log. */
static bool read_log(char *text)
{
    if (!*text) {
        stop_logging();
        return true;
    }
    return log_calls_to_file(text) || refuse(strerror(errno));
}

static bool read_machine(char *text)
{
    return join_machine(text) || refuse(strerror(errno));
}

static bool read_visible_devices(char *list)
{
    free(driver.visible_devices);
    driver.visible_devices = strdup(list);
    return driver.visible_devices || refuse("out of memory");
}

static const struct variable {
    const char *name;
    bool (*read)(char *text); /* of the value, or of each entry of a list */
    bool list;                /* of entries between commas */
    const char *accepted;
} variables[] = {
    { "SIMULATED_CUDA_DEVICES", read_devices, false, "a number from 0 to 4096" },
    { "SIMULATED_CUDA_HELD_BY_OTHERS", read_others_entry, true,
      "ORDINAL:REFERENCES, as often as wanted, with commas between" },
    { "SIMULATED_CUDA_KNOBS", read_knob, true, "NAME=VALUE, as often as wanted, with commas between" },
    { "SIMULATED_CUDA_FAULT", read_fault, true,
      "FUNCTION:NTH:CODE:EFFECT:PERSISTENCE[:DEVICE], as often as wanted, with commas between: "
      "FUNCTION may be any, EFFECT is refused or done, PERSISTENCE is once or from_then_on" },
    { "SIMULATED_CUDA_LOG", read_log, false, "a file that can be written, or nothing" },
    { "SIMULATED_CUDA_MACHINE", read_machine, false, "a file that can be written, or a new one" },
    /* From simulated_cuda_set only: cuInit reads the process's own. */
    { "CUDA_VISIBLE_DEVICES", read_visible_devices, false, "a list of devices" },
};

enum { VARIABLE_COUNT = sizeof variables / sizeof *variables, PREFIX = sizeof "SIMULATED_CUDA_" - 1 };

static void read_entry(const struct variable *variable, char *entry)
{
    char *whole = strdup(entry); /* a reader takes it to pieces */

    if (!variable->read(entry))
        complain_of_environment("the environment variable %s is wrong in \"%s\": %s; it takes %s",
                                variable->name, whole ? whole : "", why, variable->accepted);
    free(whole);
}

static void read_value(const struct variable *variable, const char *value)
{
    char *copy = strdup(value);
    char *rest = copy;
    char *entry;

    if (copy && !variable->list)
        read_entry(variable, copy);
    while (copy && variable->list && (entry = strsep(&rest, ",")))
        read_entry(variable, entry);
    free(copy);
}

void read_setting(const char *setting)
{
    for (int index = 0; index < VARIABLE_COUNT; index++) {
        const struct variable *variable = &variables[index];
        size_t length = strlen(variable->name);

        if (!strncmp(setting, variable->name, length) && setting[length] == '=') {
            read_value(variable, setting + length + 1);
            return;
        }
    }
    /* A name that is almost right would otherwise be ignored. */
    complain_of_environment(
        "there is no environment variable %.*s; after SIMULATED_CUDA_ comes DEVICES, "
        "HELD_BY_OTHERS, KNOBS, FAULT, LOG or MACHINE",
        (int)strcspn(setting, "="), setting);
}

void read_environment(void)
{
    for (char **setting = environ; setting && *setting; setting++)
        if (!strncmp(*setting, "SIMULATED_CUDA_", PREFIX))
            read_setting(*setting);
}
