/* Time that flies, for a process that waits: preloaded, it makes the monotonic clock run SPEED times as fast, and
 * every wait for events as much shorter. The time of day stays as it is: signatures and sessions depend on it.
 *
 * The first seconds pass as ever, so that a program can begin (timeouts of real connections are monotonic too).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPEED 3000LL
#define SECOND 1000000000LL
#define CALM (2 * SECOND)

static long long real(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static long long since_start(long long now)
{
    static long long start;
    if (start == 0)
        start = now;
    return now - start;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_MONOTONIC)
        return syscall(SYS_clock_gettime, clock, time);
    long long now = real(), gone = since_start(now);
    if (gone > CALM)
        now += (gone - CALM) * (SPEED - 1);
    time->tv_sec = now / SECOND;
    time->tv_nsec = now % SECOND;
    return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds)
{
    static int (*wait)(int, struct epoll_event *, int, int);
    if (!wait)
        wait = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    if (milliseconds > 0 && since_start(real()) > CALM)
        milliseconds = (milliseconds + SPEED - 1) / SPEED;
    return wait(epoll, events, most, milliseconds);
}
