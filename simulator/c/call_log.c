/* The log of calls: in memory for the Rust side, and as lines of JSON in a file for anybody. */
#define _GNU_SOURCE
#include "watched_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool recording;
static struct simulated_cuda_call *records;
static uint64_t record_count;
static uint64_t record_capacity;
static int log_file = -1;

static void update_log(void)
{
    driver.logs_calls = recording || log_file != -1;
    update_watched();
}

static bool make_room(void)
{
    uint64_t capacity = record_capacity ? 2 * record_capacity : 256;
    struct simulated_cuda_call *grown;

    if (record_count < record_capacity)
        return true;
    grown = realloc(records, capacity * sizeof *grown);
    if (!grown)
        return false;
    records = grown;
    record_capacity = capacity;
    return true;
}

/* One write for a line, so that lines of several processes do not mix. */
static void write_line(const struct simulated_cuda_call *record)
{
    char line[256];
    int length = snprintf(line, sizeof line,
                          "{\"function\":\"%s\",\"device\":%d,\"code\":%u,\"pid\":%d,\"tid\":%d}\n",
                          entry_point_name(record->function), record->device, record->code,
                          record->pid, record->tid);

    if (write(log_file, line, (size_t)length) != length)
        stop_logging();
}

void record_call(const struct call *call, CUresult result)
{
    struct simulated_cuda_call record;

    if (!driver.logs_calls)
        return;
    record = (struct simulated_cuda_call){ .function = (uint32_t)call->entry,
                                   .device = call->device < 0 ? NO_DEVICE : call->device,
                                   .code = (uint32_t)result,
                                   .pid = (int32_t)getpid(),
                                   .tid = (int32_t)syscall(SYS_gettid) };
    if (log_file != -1)
        write_line(&record);
    if (recording && make_room())
        records[record_count++] = record;
}

bool log_calls_to_file(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (file == -1)
        return false;
    stop_logging();
    log_file = file;
    update_log();
    return true;
}

void stop_logging(void)
{
    if (log_file != -1)
        close(log_file);
    log_file = -1;
    update_log();
}

void set_recording(bool on)
{
    recording = on;
    update_log();
}

uint64_t copy_recorded_calls(struct simulated_cuda_call *out, uint64_t capacity)
{
    uint64_t count = record_count < capacity ? record_count : capacity;

    if (count)
        memcpy(out, records, count * sizeof *out);
    return record_count;
}

void clear_recorded_calls(void)
{
    record_count = 0;
}
