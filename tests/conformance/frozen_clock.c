/* The time of day stands still at the second in FROZEN_CLOCK, for a process that this is preloaded to. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    const char *frozen = getenv("FROZEN_CLOCK");
    if (clock != CLOCK_REALTIME || !frozen)
        return syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = atoll(frozen);
    time->tv_nsec = 0;
    return 0;
}
