/*
 * cofferdam.h: a request and its answer, for a C library that Cofferdam calls.
 *
 * Header only: nothing to link. A handler is
 *
 *     int NAME(cof_request *req, cof_response *res);
 *
 * It is called once for each request, in a process of its own, as straight-line code that may block.
 * It returns 0, an HTTP status from 200 to 599 (used where nothing was written), or -errno:
 * ENOENT is answered as 404, EACCES 403, EINVAL 400, EFBIG 413, EBUSY 503, ETIMEDOUT 504, all others 500.
 *
 * Once something was written, only a negative value counts: the answer is cut, so that nobody takes half of it for all.
 *
 * Optional: `int NAME_init(void)` runs before a request is waited for; all but 0 is a failed start.
 * Optional: `void NAME_exit(void)` runs where NAME_init ran, when its process ends in peace: not after a crash, a limit or
 * a cancel, nor in the proxy itself. It has `kill_grace`.
 * Optional: `const uint32_t NAME_traits` says what is true of NAME: any of COF_CPU_BOUND, COF_THREADSAFE, COF_REENTRANT,
 * COF_IDEMPOTENT and COF_REUSABLE, with | between them.
 *
 * Strings have a length and also end in a NUL. What the host lends lives until the handler returns; what
 * it is given it copies. Functions that return int answer 0 or -errno; -ENOSYS means that the host is
 * older than this header and does not have them yet. All may be called from any thread.
 */
#ifndef COFFERDAM_H
#define COFFERDAM_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The major version. A host refuses a library of another major, and no other. */
#define COF_ABI 1

/* How the host sees what a library was built for. */
extern const uint32_t cof_library_abi __attribute__((weak, visibility("default")));
const uint32_t cof_library_abi = COF_ABI;

/* Of NAME_traits. It computes and hardly waits: more calls at once than there are cores gain nothing. */
#define COF_CPU_BOUND 0x01u
/* Any functions of its library may be called at once, from several threads. */
#define COF_THREADSAFE 0x02u
/* This function may be entered again before it has returned, from another thread; others of its library not. */
#define COF_REENTRANT 0x04u
/* A call that crashed before it answered may run again: twice is as good as once. */
#define COF_IDEMPOTENT 0x08u
/* One process may call it again and again: it leaves nothing behind that the next call would mind. */
#define COF_REUSABLE 0x10u

typedef struct cof_host cof_host;

/* What came in. Only its first member may be relied on. */
typedef struct cof_request {
    const cof_host *host;
} cof_request;

/* What goes out. Only its first member may be relied on. */
typedef struct cof_response {
    const cof_host *host;
} cof_response;

/* The host's functions. It grows at its end only: use the functions below, which look at `size`. */
struct cof_host {
    uint32_t abi;
    uint32_t size;
    const char *(*text)(const cof_request *, uint32_t which);
    const char *(*header)(const cof_request *, const char *name, size_t *length);
    int (*header_at)(const cof_request *, size_t index, const char **name, const char **value,
                     size_t *length);
    const char *(*param)(const cof_request *, const char *name, size_t *length);
    const void *(*body)(const cof_request *, size_t *length);
    ssize_t (*read)(cof_request *, void *buffer, size_t size);
    int64_t (*time_left_ms)(const cof_request *);
    int (*cancelled)(const cof_request *);
    int (*cancel_fd)(const cof_request *);
    int (*log)(const cof_request *, int level, const char *message, size_t length);
    int (*status)(cof_response *, int status);
    int (*set_header)(cof_response *, const char *name, const char *value);
    int (*add_header)(cof_response *, const char *name, const char *value);
    int (*write)(cof_response *, const void *data, size_t size);
    int (*phase)(const cof_request *, const char *name);
    int (*sendfd)(cof_response *, int fd, uint64_t offset, uint64_t length);
};

/* Whether the host behind `it` has the function `member`. */
#define COF_HAS(it, member)                                                                        \
    ((it)->host->abi == COF_ABI &&                                                                 \
     (it)->host->size >= offsetof(cof_host, member) + sizeof((it)->host->member))

static inline const char *cof_text_(const cof_request *req, uint32_t which) {
    const char *text = COF_HAS(req, text) ? req->host->text(req, which) : NULL;
    return text ? text : "";
}

/* "GET". */
static inline const char *cof_method(const cof_request *req) { return cof_text_(req, 0); }

/* As the client sent it, percent-encoded, without the query. */
static inline const char *cof_path(const cof_request *req) { return cof_text_(req, 1); }

/* As the client sent it, without the `?`; empty where there is none. */
static inline const char *cof_query(const cof_request *req) { return cof_text_(req, 2); }

/* The word by which logs name this request. */
static inline const char *cof_request_id(const cof_request *req) { return cof_text_(req, 3); }

/* The client's address. */
static inline const char *cof_peer(const cof_request *req) { return cof_text_(req, 4); }

/* The value of the first header `name`, in any case; NULL where there is none. `length` may be NULL. */
static inline const char *cof_header(const cof_request *req, const char *name, size_t *length) {
    return COF_HAS(req, header) ? req->host->header(req, name, length) : NULL;
}

/* Header number `index`, from 0; -ENOENT after the last. Each of the last three may be NULL. */
static inline int cof_header_at(const cof_request *req, size_t index, const char **name,
                                const char **value, size_t *length) {
    return COF_HAS(req, header_at) ? req->host->header_at(req, index, name, value, length)
                                   : -ENOSYS;
}

/* What `{name}` of the route's path stood for, decoded; NULL where there is none. */
static inline const char *cof_param(const cof_request *req, const char *name, size_t *length) {
    return COF_HAS(req, param) ? req->host->param(req, name, length) : NULL;
}

/* The whole body. It may hold NULs, and ends in one that `length` does not count. Of a streamed body (request_body =
   "stream" in the configuration) it waits for all of it, and is NULL where that did not come, is over 64 MiB, or was
   read in part before. */
static inline const void *cof_body(const cof_request *req, size_t *length) {
    if (COF_HAS(req, body)) return req->host->body(req, length);
    if (length) *length = 0;
    return "";
}

/* Up to `size` next bytes of the body: their number, 0 at its end, or -errno. Of a streamed body it waits for some, and
   the client sends no faster than they are read; -ECONNRESET where it left before the end. */
static inline ssize_t cof_read(cof_request *req, void *buffer, size_t size) {
    return COF_HAS(req, read) ? req->host->read(req, buffer, size) : -ENOSYS;
}

/* Milliseconds until the host gives up, 0 when it has; INT64_MAX for never. */
static inline int64_t cof_time_left_ms(const cof_request *req) {
    return COF_HAS(req, time_left_ms) ? req->host->time_left_ms(req) : INT64_MAX;
}

/* 1 once nobody waits for the answer, because the client left or the time is over: clean up and return, within
   `kill_grace`. Whoever never asks, nor for the descriptor, is ended at that moment by SIGTERM; from the first question
   on that only interrupts system calls (EINTR). */
static inline int cof_cancelled(const cof_request *req) {
    return COF_HAS(req, cancelled) ? req->host->cancelled(req) : 0;
}

/* For poll(2) only, beside your own: readable once cof_cancelled; -1 where there is none. Neither read nor close it. */
static inline int cof_cancel_fd(const cof_request *req) {
    return COF_HAS(req, cancel_fd) ? req->host->cancel_fd(req) : -1;
}

typedef int cof_sink_(void *to, int level, const char *text, size_t length);

__attribute__((format(printf, 4, 0))) static inline int
cof_format_(cof_sink_ *sink, void *to, int level, const char *format, va_list arguments) {
    char small[512];
    char *text = small;
    va_list again;
    int length, result;
    va_copy(again, arguments);
    length = vsnprintf(small, sizeof small, format, arguments);
    if (length >= (int)sizeof small) {
        text = (char *)malloc((size_t)length + 1);
        if (text) vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (length < 0) return -EINVAL;
    if (!text) return -ENOMEM;
    result = sink(to, level, text, (size_t)length);
    if (text != small) free(text);
    return result;
}

static inline int cof_log_sink_(void *to, int level, const char *text, size_t length) {
    const cof_request *req = (const cof_request *)to;
    return req->host->log(req, level, text, length);
}

static inline int cof_write_sink_(void *to, int level, const char *text, size_t length) {
    cof_response *res = (cof_response *)to;
    (void)level;
    return res->host->write(res, text, length);
}

/* A line in the host's log, with this request's id. `level` is syslog's: 3 error, 4 warning, 6 info, 7 debug. */
__attribute__((format(printf, 3, 4))) static inline int cof_log(const cof_request *req, int level,
                                                                const char *format, ...) {
    va_list arguments;
    int result;
    if (!COF_HAS(req, log)) return -ENOSYS;
    va_start(arguments, format);
    result = cof_format_(cof_log_sink_, (void *)(uintptr_t)req, level, format, arguments);
    va_end(arguments);
    return result;
}

/* What the handler does from now on, in one short word of letters, digits, `-`, `_` and `.`; NULL for nothing in particular.
   How long each took is told by the log and, to whom asks, in `Server-Timing`. -EINVAL for another word, for one of the
   host's own (queue, start, cpu, runqueue, blocked, total), and for the 33rd. */
static inline int cof_phase(const cof_request *req, const char *name) {
    return COF_HAS(req, phase) ? req->host->phase(req, name) : -ENOSYS;
}

/* The status, 200 to 599; 200 without it. -EALREADY once something was written. */
static inline int cof_status(cof_response *res, int status) {
    return COF_HAS(res, status) ? res->host->status(res, status) : -ENOSYS;
}

/* One header, in place of all of its name. -EINVAL for what HTTP does not allow, -EALREADY after a write. Who sets a
   Content-Length must write exactly as much. */
static inline int cof_set_header(cof_response *res, const char *name, const char *value) {
    return COF_HAS(res, set_header) ? res->host->set_header(res, name, value) : -ENOSYS;
}

/* One more header. */
static inline int cof_add_header(cof_response *res, const char *name, const char *value) {
    return COF_HAS(res, add_header) ? res->host->add_header(res, name, value) : -ENOSYS;
}

/* A piece of the body. The first one commits status and headers; each reaches the client as it is written.
   Blocks while the client is slower; -EPIPE once nobody waits for the answer, -EMSGSIZE beyond a Content-Length. */
static inline int cof_write(cof_response *res, const void *data, size_t size) {
    return COF_HAS(res, write) ? res->host->write(res, data, size) : -ENOSYS;
}

/* All that is left of an open file, for cof_sendfd. */
#define COF_TO_END UINT64_MAX

/* `length` bytes of an open file from `offset` on are the whole body: the host reads them itself, when the handler has
   returned. `fd` may be closed at once, and its position stays. A regular file, or one of memfd_create(2).
   -EALREADY where something was written, -EINVAL for no file or what lies beyond its end, -EBADF. */
static inline int cof_sendfd(cof_response *res, int fd, uint64_t offset, uint64_t length) {
    return COF_HAS(res, sendfd) ? res->host->sendfd(res, fd, offset, length) : -ENOSYS;
}

/* A piece of the body, formatted. */
__attribute__((format(printf, 2, 3))) static inline int cof_printf(cof_response *res,
                                                                   const char *format, ...) {
    va_list arguments;
    int result;
    if (!COF_HAS(res, write)) return -ENOSYS;
    va_start(arguments, format);
    result = cof_format_(cof_write_sink_, res, 0, format, arguments);
    va_end(arguments);
    return result;
}

#ifdef __cplusplus
}
#endif

#endif
