/*
 * The blocking call that no event loop can see: the whole program is one sleep.
 *
 *     [[routes]]
 *     path = "/sleep"
 *     call = "target/release/c-ext/libsleep.so:main"
 */
#include <unistd.h>

int main() {
    sleep(2);
    return 0;
}
