/*
 * An auditing library of the dynamic loader (rtld-audit(7)): writes down every name that the loader is
 * asked for and that names CUDA, and may replace WSL's and NixOS's files, whose paths are
 * absolute.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned int la_version(unsigned int version)
{
    return version < LAV_CURRENT ? version : LAV_CURRENT;
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag)
{
    const char *names = getenv("SEARCHED_NAMES");
    const char *of_wsl = getenv("SEARCHED_WSL");
    const char *of_nixos = getenv("SEARCHED_NIXOS");
    FILE *file;

    (void)cookie;
    if (flag == LA_SER_ORIG && strstr(name, "cuda.so") && names && (file = fopen(names, "a"))) {
        fprintf(file, "%s\n", name);
        fclose(file);
    }
    if (of_wsl && !strcmp(name, "/usr/lib/wsl/lib/libcuda.so.1"))
        return (char *)of_wsl;
    if (of_nixos && !strcmp(name, "/run/opengl-driver/lib/libcuda.so.1"))
        return (char *)of_nixos;
    return (char *)name;
}
