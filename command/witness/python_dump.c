/*
 * Python 3.15 and later: the interpreter writes the calling thread's stack itself, as it does in a
 * crash, and what it wrote is read back. Into a pipe: a file could meet the process's limit of file
 * sizes, and end it. What does not fit into the pipe is cut off.
 */
#define _GNU_SOURCE
#include "python_frames.h"
#include "python_text.h"
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LONGEST_LINE = 1536, PIPE_SIZE = 256 * 1024 };

static int digit(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* What is not ASCII was written as \xNN, \uNNNN or \UNNNNNNNN. In place: it only gets shorter. */
static size_t unescape(char *text, size_t length)
{
    size_t used = 0;

    for (size_t at = 0; at < length;) {
        size_t digits = 0;
        uint32_t letter = 0;

        if (text[at] == '\\' && at + 1 < length)
            digits = text[at + 1] == 'x' ? 2 : text[at + 1] == 'u' ? 4 : text[at + 1] == 'U' ? 8 : 0;
        if (at + 2 + digits > length)
            digits = 0;
        for (size_t index = 0; index < digits; index++) {
            int value = digit(text[at + 2 + index]);

            if (value < 0)
                digits = 0;
            else
                letter = letter << 4 | (uint32_t)value;
        }
        if (digits && letter <= 0x10ffff) {
            used += put_utf8(text + used, letter);
            at += 2 + digits;
        } else {
            text[used++] = text[at++];
        }
    }
    return used;
}

/*   File "NAME", line NUMBER in FUNCTION: if there is no number, it says ???. */
static bool note_line(uint64_t call, uint32_t index, char *line, size_t length)
{
    static const char before[] = "  File \"", between[] = "\", line ", in[] = " in ";
    char *file = line + sizeof before - 1, *number = NULL, *function;
    size_t file_length;
    int32_t value = -1;

    line[length] = '\0';
    if (strncmp(line, before, sizeof before - 1) != 0)
        return false;
    for (char *at = file; (at = strstr(at, between)); at++) /* the last one: a name may have it, too */
        number = at;
    if (!number || !(function = strstr(number, in)))
        return false;
    file_length = unescape(file, (size_t)(number - file));
    number += sizeof between - 1;
    for (; digit(*number) >= 0 && digit(*number) < 10 && value < INT32_MAX / 10 - 1; number++)
        value = (value < 0 ? 0 : value * 10) + digit(*number);
    function += sizeof in - 1;
    note_python_line(call, index, value, file, file_length, function,
                     unescape(function, strlen(function)));
    return true;
}

/* Reads the pipe to its end, line by line, in a small piece of the stack. */
static bool note_lines(uint64_t call, long pipe)
{
    char text[LONGEST_LINE + 1];
    size_t used = 0;
    uint32_t index = 0;
    bool complete = true, skipping = false;
    long length;

    while ((length = syscall(SYS_read, pipe, text + used, LONGEST_LINE - used)) > 0
           || (length < 0 && errno == EINTR)) {
        char *end;

        used += length > 0 ? (size_t)length : 0;
        while ((end = memchr(text, '\n', used))) {
            size_t line = (size_t)(end - text);

            if (!skipping && index == TRACE_MAXIMUM_PYTHON_LINES)
                complete = false; /* more than are kept */
            else if (!skipping && note_line(call, index, text, line))
                index++;
            skipping = false;
            used -= line + 1;
            memmove(text, end + 1, used);
        }
        if (used == LONGEST_LINE) { /* longer than Python writes */
            used = 0;
            skipping = true;
            complete = false;
        }
    }
    return complete && !used;
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
    complete = note_lines(call, ends[0]);
    syscall(SYS_close, ends[0]);
    return complete;
}
