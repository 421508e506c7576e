/* A neighbour in the directory of the socket who is always in time: preloaded, it puts a link to $SWAP_TARGET in the
 * place of a path just before the mode of that path is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int chmod(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "chmod");
    const char *target = getenv("SWAP_TARGET");
    if (target != NULL && unlink(path) == 0)
        (void)!symlink(target, path);
    return real(path, mode);
}
