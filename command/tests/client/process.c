/*
 * What becomes of the process:
 *
 *   fork … end              a child does what stands between; then this process continues. Without `end` it ends as the
 *                           child does. fork:bare is the system call without libc's handlers
 *   spawn …                 a child does the rest, and this process ends as it does
 *   exec …                  this program again does the rest;   launch PROGRAM …   another program
 *   open:LIBRARY  user:ID  sleep:MILLISECONDS  print:TEXT
 *   catch:N                 a signal ends the process with status 40 + N;   ignore:N  block:N  raise:N  alarm:SECONDS
 *   count:N … counted       how many signals came, of one that comes and of a second one soon after it
 *   exit:STATUS  _exit:STATUS
 *   old-kernel              from now on MADV_WIPEONFORK is refused
 */
#define _GNU_SOURCE
#include "client.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void end_by_signal(int number)
{
    _exit(40 + number);
}

static int print_count(void)
{
    for (int tenth = 0; tenth < 100 && !signals; tenth++)
        usleep(100000);
    for (int tenth = 0; tenth < 5; tenth++)
        usleep(100000);
    printf("%d signals\n", (int)signals);
    return 0;
}

static int status_of(pid_t child)
{
    int status = 0;

    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void skip_to_end(void)
{
    for (int depth = 1; *words && depth; words++)
        depth += is(*words, "end") ? -1 : strncmp(*words, "fork", 4) == 0;
}

static int wait_in_parent(pid_t child)
{
    int status;

    if (child == 0)
        return 0;
    status = status_of(child);
    skip_to_end();
    if (!*words && !is(words[-1], "end"))
        exit(status);
    return status;
}

/* This program's arguments from now on: its name and the words that come next. */
static char **arguments(void)
{
    words[-1] = "client";
    return words - 1;
}

/* What happens to a system call with this third argument. */
int filter_calls(unsigned call, unsigned third, unsigned action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, third, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int control_process(const char *verb, const char *value)
{
    int number = atoi(value);
    pid_t child;
    sigset_t mask;

    if (is(verb, "fork"))
        return wait_in_parent(is(value, "bare") ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork());
    if (is(verb, "end"))
        exit(0);
    if (is(verb, "spawn")) {
        posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments(), environ);
        exit(status_of(child));
    }
    if (is(verb, "exec"))
        return execv("/proc/self/exe", arguments());
    if (is(verb, "launch"))
        return execvp(words[0], words);
    if (is(verb, "open"))
        return dlopen(value, RTLD_NOW) == NULL;
    if (is(verb, "user"))
        return setuid((uid_t)number);
    if (is(verb, "sleep"))
        return usleep(1000 * (unsigned)number);
    if (is(verb, "print"))
        return puts(value) < 0;
    if (is(verb, "catch"))
        return signal(number, end_by_signal) == SIG_ERR;
    if (is(verb, "ignore"))
        return signal(number, SIG_IGN) == SIG_ERR;
    if (is(verb, "count"))
        return signal(number, count_signal) == SIG_ERR;
    if (is(verb, "counted"))
        return print_count();
    if (is(verb, "block")) {
        sigemptyset(&mask);
        sigaddset(&mask, number);
        return sigprocmask(SIG_BLOCK, &mask, NULL);
    }
    if (is(verb, "alarm"))
        return (int)alarm((unsigned)number);
    if (is(verb, "raise"))
        return raise(number);
    if (is(verb, "old-kernel"))
        return filter_calls(SYS_madvise, MADV_WIPEONFORK, SECCOMP_RET_ERRNO | EINVAL);
    if (is(verb, "exit"))
        exit(number);
    if (is(verb, "_exit"))
        _exit(number);
    return UNKNOWN;
}
