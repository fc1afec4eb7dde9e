/* A library to preload: the time of day is shifted by SHIFTED_CLOCK_SECONDS; what measures durations is not touched.
 *
 * libfaketime also takes over condition variables and sleeping, and with Python's threads it is slow or fails
 * (clock_nanosleep answers EINVAL); the tests of the emulator have many threads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
    const char *text = getenv("SHIFTED_CLOCK_SECONDS");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int answer = (int)syscall(SYS_clock_gettime, clock, now);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift();
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* Python's multiprocessing works out when to give up a lock from the time of day; the kernel's is not shifted.  Without
 * this, its waits end at once under an earlier clock, and never under a later one. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    int (*original)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec unshifted = {until->tv_sec - shift(), until->tv_nsec};
    return original(semaphore, &unshifted);
}
