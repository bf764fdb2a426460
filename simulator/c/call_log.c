/* The log of calls: lines of JSON in a file. */
#define _GNU_SOURCE
#include "watched_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int log_file = -1;

/* One write for a line, so that lines of several processes do not mix. */
void log_call(const struct call *call, CUresult result)
{
    char line[256];
    int length;

    if (log_file == -1)
        return;
    length = snprintf(line, sizeof line,
                      "{\"function\":\"%s\",\"device\":%d,\"code\":%u,\"pid\":%d,\"tid\":%d}\n",
                      entry_point_name(call->entry), call->device < 0 ? NO_DEVICE : call->device,
                      (unsigned int)result, (int)getpid(), (int)syscall(SYS_gettid));
    if (write(log_file, line, (size_t)length) != length)
        stop_logging();
}

bool log_calls_to_file(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (file == -1)
        return false;
    stop_logging();
    log_file = file;
    driver.watched |= LOGS_CALLS;
    return true;
}

void stop_logging(void)
{
    if (log_file != -1)
        close(log_file);
    log_file = -1;
    driver.watched &= ~LOGS_CALLS;
}
