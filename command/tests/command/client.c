/*
 * A program that does what its arguments say, one after the other: client init retain:0 sleep:50 …
 * It finds the driver by name unless it gets a path. See `run` for what it knows.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *driver_name = "libcuda.so.1";
static void *context;

static void *function(const char *name) {
    static void *driver;
    if (!driver) {
        driver = dlopen(driver_name, RTLD_NOW);
    }
    void *found = driver ? dlsym(driver, name) : NULL;
    if (!found) {
        printf("no %s\n", name);
        exit(90);
    }
    return found;
}

#define CALL(name, types, ...) ((int(*) types)function(name))(__VA_ARGS__)

static int device(const char *ordinal) {
    int handle = -1;
    CALL("cuDeviceGet", (int *, int), &handle, atoi(ordinal));
    return handle;
}

static void result(const char *what, int code) {
    if (code) {
        printf("%s returned %d\n", what, code);
        fflush(stdout);
    }
}

static void retain(const char *ordinal) {
    void *primary;
    result("retain",
           CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary, device(ordinal)));
}

static void *in_thread(void *ordinal) {
    retain(ordinal);
    return NULL;
}

static volatile sig_atomic_t signals;

static void counter(int number) {
    (void)number;
    signals++;
}

static void handler(int number) {
    _exit(40 + number);
}

static void status_line(const char *field) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (!strncmp(line, field, strlen(field))) {
            fputs(line, stdout);
        }
    }
    fflush(stdout);
    if (status) {
        fclose(status);
    }
}

static int wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run(char **words) {
    for (; *words; words++) {
        char *word = *words, *colon = strchr(word, ':');
        const char *value = colon ? colon + 1 : "";
        size_t length = colon ? (size_t)(colon - word) : strlen(word);
#define IS(name) (length == sizeof(name) - 1 && !strncmp(word, name, length))
        if (IS("driver")) {
            driver_name = value;
        } else if (IS("open")) { /* another library, beside the driver */
            if (!dlopen(value, RTLD_NOW)) {
                exit(92);
            }
        } else if (IS("user")) {
            if (setuid((uid_t)atoi(value))) {
                exit(93);
            }
        } else if (IS("load")) {
            function("cuInit");
        } else if (IS("init")) {
            result("init", CALL("cuInit", (unsigned), 0));
        } else if (IS("retain")) {
            retain(value);
        } else if (IS("thread")) {
            pthread_t thread;
            pthread_create(&thread, NULL, in_thread, (void *)value);
            pthread_join(thread, NULL);
        } else if (IS("cost")) { /* so many retains and releases while another reference is held */
            int (*take)(void **, int) = (int (*)(void **, int))function("cuDevicePrimaryCtxRetain");
            int (*give)(int) = (int (*)(int))function("cuDevicePrimaryCtxRelease_v2");
            int handle = device("0"), rounds = atoi(value);
            struct timespec before, after;
            void *primary;
            clock_gettime(CLOCK_MONOTONIC, &before);
            for (int round = 0; round < rounds; round++) {
                take(&primary, handle);
                give(handle);
            }
            clock_gettime(CLOCK_MONOTONIC, &after);
            double seconds = (double)(after.tv_sec - before.tv_sec);
            double nanoseconds = seconds * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
            printf("cost %.0f ns a call\n", nanoseconds / rounds / 2);
            fflush(stdout);
        } else if (IS("release")) {
            result("release", CALL("cuDevicePrimaryCtxRelease_v2", (int), device(value)));
        } else if (IS("create")) {
            result("create", CALL("cuCtxCreate_v2", (void **, unsigned, int), &context, 0,
                                  device(value)));
        } else if (IS("destroy")) {
            result("destroy", CALL("cuCtxDestroy_v2", (void *), context));
        } else if (IS("fork")) { /* the child goes on, and this process ends as the child does */
            pid_t child = fork();
            if (child) {
                exit(wait_for(child));
            }
        } else if (IS("detach")) { /* the child goes on, and nobody waits for it */
            if (fork()) {
                usleep(2000000);
                exit(0);
            }
        } else if (IS("exec")) { /* this program again, with the rest */
            *words = "client";
            execv("/proc/self/exe", words);
        } else if (IS("spawn")) { /* a child with the rest */
            pid_t child;
            *words = "client";
            posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, environ);
            exit(wait_for(child));
        } else if (IS("sleep")) {
            usleep(1000 * (unsigned)atoi(value));
        } else if (IS("print")) {
            puts(value);
            fflush(stdout);
        } else if (IS("echo")) {
            for (int byte; (byte = getchar()) != EOF;) {
                putchar(byte);
            }
        } else if (IS("status")) {
            status_line(value);
        } else if (IS("catch")) {
            signal(atoi(value), handler);
        } else if (IS("count")) {
            signal(atoi(value), counter);
        } else if (IS("counted")) { /* of one that comes, and of a second one soon after it */
            for (int tenth = 0; tenth < 100 && !signals; tenth++) {
                usleep(100000);
            }
            for (int tenth = 0; tenth < 5; tenth++) {
                usleep(100000);
            }
            printf("%d signals\n", (int)signals);
            fflush(stdout);
        } else if (IS("alarm")) {
            alarm((unsigned)atoi(value));
        } else if (IS("ignore")) {
            signal(atoi(value), SIG_IGN);
        } else if (IS("block")) {
            sigset_t mask;
            sigemptyset(&mask);
            sigaddset(&mask, atoi(value));
            sigprocmask(SIG_BLOCK, &mask, NULL);
        } else if (IS("launch")) { /* another program, in place of this one */
            execvp(words[1], words + 1);
            exit(93);
        } else if (IS("wait")) {
            for (;;) {
                pause();
            }
        } else if (IS("raise")) {
            raise(atoi(value));
        } else if (IS("exit")) {
            exit(atoi(value));
        } else if (IS("_exit")) {
            _exit(atoi(value));
        } else {
            printf("what is %s?\n", word);
            exit(91);
        }
    }
}

/* As setproctitle does: the rest of the arguments becomes zeros. */
static char **set_title(int count, char **words) {
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    char *end = words[count - 1] + strlen(words[count - 1]);

    for (int word = 0; word < count; word++) {
        copy[word] = strdup(words[word]);
    }
    memset(words[0], 0, (size_t)(end - words[0]));
    strcpy(words[0], "worker");
    return copy;
}

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "title")) {
        words = set_title(count, words) + 1;
    }
    run(words + (count > 0));
    return 0;
}
