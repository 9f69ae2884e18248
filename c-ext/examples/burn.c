/*
 * Uses the CPU, all that it is asked for: what a slow computation does to a neighbour.
 *
 *     [functions.burn]
 *     library   = "target/release/c-ext/libburn.so"
 *     prototype = "uint64_t burn(int ms)"
 *     arguments = { ms = { query = "ms", default = 100 } }
 *
 *     [[routes]]
 *     path = "/burn"
 *     call = "burn"
 */
#include <stdint.h>
#include <time.h>

static int64_t cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Runs for `ms` milliseconds of CPU time; the result is a number that took some work. */
uint64_t burn(int ms) {
    int64_t end = cpu_ns() + ms * INT64_C(1000000);
    uint64_t state = 88172645463325252u;
    do {
        int round;
        for (round = 0; round < 10000; round++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
    } while (cpu_ns() < end);
    return state;
}
