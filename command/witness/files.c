/* Reading files without libc's functions, which are cancellation points and which others hook. */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As much of it as fits. */
size_t read_file(const char *path, char *to, size_t capacity)
{
    long file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    size_t used = 0;

    while (file >= 0 && used < capacity) {
        long length = syscall(SYS_read, file, to + used, capacity - used);

        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            break;
        used += (size_t)length;
    }
    if (file >= 0)
        syscall(SYS_close, file);
    return used;
}

size_t read_link(const char *path, char *to, size_t capacity)
{
    long length = syscall(SYS_readlinkat, AT_FDCWD, path, to, capacity);

    return length > 0 ? (size_t)length : 0;
}

bool identify_file(const char *path, uint64_t *device, uint64_t *inode)
{
    struct stat about;

    if (syscall(SYS_newfstatat, AT_FDCWD, path, &about, 0) != 0)
        return false;
    *device = about.st_dev;
    *inode = about.st_ino;
    return true;
}
