/* A library to preload: the time of day is shifted by SHIFTED_CLOCK_SECONDS; what measures durations is not touched.
 *
 * libfaketime also takes over condition variables and sleeping, and with Python's threads it is slow or fails
 * (clock_nanosleep answers EINVAL); the tests of the emulator have many threads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift;
static int (*read_clock)(clockid_t, struct timespec *);

/* The C library reads the clock without entering the kernel; a system call takes four times as long, and code that waits
 * for threads reads it very often. */
__attribute__((constructor)) static void prepare(void)
{
    const char *text = getenv("SHIFTED_CLOCK_SECONDS");
    shift = text ? atol(text) : 0;
    read_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!read_clock) /* another library's constructor came first */
        prepare();
    int answer = read_clock(clock, now);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift;
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
    struct timespec unshifted = {until->tv_sec - shift, until->tv_nsec};
    return original(semaphore, &unshifted);
}

/* The same for condition variables that wait on the time of day: the allocator of two libraries waits so for its next
 * turn, and under an earlier clock it would spin.  glibc keeps the clock of a condition variable in bit 1 of a count. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static int (*original)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!original) /* a plain dlsym may find the function for condition variables of before 2003 */
        original = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!original)
        original = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    int is_monotonic = (condition->__data.__wrefs & 2) != 0;
    struct timespec unshifted = {until->tv_sec - (is_monotonic ? 0 : shift), until->tv_nsec};
    return original(condition, mutex, &unshifted);
}
