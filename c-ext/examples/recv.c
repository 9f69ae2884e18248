/*
 * A real blocking read: connects somewhere and waits in recv(2) for what the other side sends until it closes.
 *
 *     [functions.fetch]
 *     library   = "target/release/c-ext/librecv.so"
 *     prototype = "int fetch(const char *host, int port, uint8_t *out, size_t *out_len)"
 *     arguments = { host = { query = "host", default = "127.0.0.1" }, port = { query = "port" },
 *                   out = { buffer = "64KiB" }, out_len = { len = "out" } }
 *     success   = "== 0"
 *     response  = { body = "out", content_type = "text/plain" }
 *
 *     [[routes]]
 *     path = "/fetch"
 *     call = "fetch"
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(const char *host, int port) {
    struct addrinfo hints, *found, *each;
    char service[16];
    int fd = -1;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) return -1;
    for (each = found; each && fd < 0; each = each->ai_next) {
        fd = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* 0 with the first *out_len bytes that came, or the errno of what failed. */
int fetch(const char *host, int port, uint8_t *out, size_t *out_len) {
    size_t capacity = *out_len;
    ssize_t n = 0;
    int fd = dial(host, port);
    *out_len = 0;
    if (fd < 0) return errno ? errno : EHOSTUNREACH;
    while (*out_len < capacity && (n = recv(fd, out + *out_len, capacity - *out_len, 0)) > 0)
        *out_len += (size_t)n;
    close(fd);
    return n < 0 ? errno : 0;
}
