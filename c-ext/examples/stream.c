/*
 * A handler: it sees the whole request, and its answer reaches the client as it is written.
 *
 *     [functions.stream]
 *     library = "target/release/c-ext/libstream.so"
 *     handler = "stream"
 *
 *     [[routes]]
 *     path = "/stream/{count}"
 *     call = "stream"
 */
#include <cofferdam.h>
#include <poll.h>

/* One line each 100 ms, `count` of them; it stops where the client has left. */
int stream(cof_request *req, cof_response *res) {
    const char *given = cof_param(req, "count", NULL);
    int count = given ? atoi(given) : 10;
    struct pollfd cancel;
    int line;
    if (count < 1 || count > 10000) return 400;
    cof_set_header(res, "content-type", "text/plain; charset=utf-8");
    for (line = 1; line <= count; line++) {
        if (cof_printf(res, "line %d of %d\n", line, count) < 0) return -EPIPE;
        cancel.fd = cof_cancel_fd(req);
        cancel.events = POLLIN;
        if (poll(&cancel, 1, line < count ? 100 : 0) > 0) {
            cof_log(req, 6, "the client left after line %d", line);
            return -ECANCELED;
        }
    }
    return 0;
}
