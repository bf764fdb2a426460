/*
 * Python 3.15 and later: the interpreter writes the calling thread's stack itself, as it does in a
 * crash. Into a pipe: a file could meet the process's limit of file sizes, and end it. What does not fit
 * into the pipe is cut off.
 */
#define _GNU_SOURCE
#include "python.h"
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIPE_SIZE = 256 * 1024 };

static bool note_dump(uint64_t call, long pipe)
{
    struct trace_python_dump *record;
    int length = 0;

    syscall(SYS_ioctl, pipe, FIONREAD, &length);
    if (length <= 0)
        return true;
    record = reserve_record(TRACE_PYTHON_DUMP, sizeof *record + (size_t)length, NULL);
    if (!record)
        return false;
    record->call = call;
    while (record->length < (uint32_t)length) {
        long part = syscall(SYS_read, pipe, (char *)(record + 1) + record->length,
                            (size_t)length - record->length);

        if (part > 0)
            record->length += (uint32_t)part;
        else if (part == 0 || errno != EINTR)
            break;
    }
    publish_record(record, TRACE_WRITTEN);
    return true;
}

bool dump_python_frames(uint64_t call, uintptr_t dump, void *thread_state)
{
    int ends[2], cancelling;
    bool complete;

    if (syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    syscall(SYS_fcntl, ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* its usual size holds most stacks */
    /* The interpreter's write is a cancellation point. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    ((void (*)(int, void *))dump)(ends[1], thread_state);
    pthread_setcancelstate(cancelling, NULL);
    syscall(SYS_close, ends[1]);
    complete = note_dump(call, ends[0]);
    syscall(SYS_close, ends[0]);
    return complete;
}
