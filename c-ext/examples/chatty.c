/*
 * Prints, as libraries do: the lines go to the log with the request's id, never into the answer.
 *
 *     [[routes]]
 *     path = "/chatty"
 *     call = "target/release/c-ext/libchatty.so:main"
 */
#include <stdio.h>

int main() {
    printf("this is standard output\n");
    fprintf(stderr, "this is standard error\n");
    return 0;
}
