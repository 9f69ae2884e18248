/*
 * Compresses a body of any size with zlib while it comes: what is read, and what is written, is never in memory as a whole.
 *
 *     [functions.gzip]
 *     library      = "target/release/c-ext/libgzip.so"
 *     handler      = "gzip"
 *     request_body = "stream"
 *
 * needs: zlib1g-dev zlib.h -lz
 */
#include <cofferdam.h>
#include <string.h>
#include <zlib.h>

/* Compresses what is in `stream`, and writes what comes of it. */
static int pass_on(z_stream *stream, int flush, cof_response *res) {
    unsigned char out[32768];
    int result = 0;
    do {
        stream->next_out = out;
        stream->avail_out = sizeof out;
        deflate(stream, flush);
        if (stream->avail_out < sizeof out) result = cof_write(res, out, sizeof out - stream->avail_out);
    } while (result == 0 && stream->avail_out == 0);
    return result;
}

int gzip(cof_request *req, cof_response *res) {
    unsigned char in[32768];
    z_stream stream;
    ssize_t n;
    int result = 0;
    memset(&stream, 0, sizeof stream);
    /* 16 more than the largest window asks for the format of gzip. */
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return -ENOMEM;
    cof_set_header(res, "content-type", "application/gzip");
    while (result == 0 && (n = cof_read(req, in, sizeof in)) > 0) {
        stream.next_in = in;
        stream.avail_in = (uInt)n;
        result = pass_on(&stream, Z_NO_FLUSH, res);
    }
    if (result == 0) result = n < 0 ? (int)n : pass_on(&stream, Z_FINISH, res);
    deflateEnd(&stream);
    return result;
}
