/*
 * Fetches with libcurl from a server that may be slow, and passes on what comes as it comes.
 *
 *     [functions.fetch]
 *     library = "target/release/c-ext/libfetch.so"
 *     handler = "fetch"                         # GET /fetch?http://127.0.0.1:9000/report
 *
 * needs: libcurl4-openssl-dev curl/curl.h -lcurl
 */
#include <cofferdam.h>
#include <curl/curl.h>

struct transfer {
    cof_request *req;
    cof_response *res;
    CURL *curl;
    int is_begun;
};

int fetch_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO; }

void fetch_exit(void) { curl_global_cleanup(); }

static size_t arrived(char *data, size_t one, size_t size, void *user) {
    struct transfer *it = (struct transfer *)user;
    const char *type = NULL;
    (void)one;
    if (!it->is_begun) {
        it->is_begun = 1;
        cof_phase(it->req, "body");
        curl_easy_getinfo(it->curl, CURLINFO_CONTENT_TYPE, &type);
        if (type) cof_set_header(it->res, "content-type", type);
    }
    return cof_write(it->res, data, size) == 0 ? size : 0;
}

/* Asked by libcurl about once a second, and whenever something comes: 1 ends the transfer. */
static int goes_on(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    struct transfer *it = (struct transfer *)user;
    (void)a, (void)b, (void)c, (void)d;
    return cof_cancelled(it->req);
}

static int answer(CURLcode result) {
    switch (result) {
    case CURLE_OK: return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return -EINVAL;
    case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
    case CURLE_HTTP_RETURNED_ERROR: return -ENOENT;
    default: return -EIO;
    }
}

int fetch(cof_request *req, cof_response *res) {
    struct transfer it = {req, res, curl_easy_init(), 0};
    int64_t left = cof_time_left_ms(req);
    CURLcode result;
    if (!it.curl) return -ENOMEM;
    curl_easy_setopt(it.curl, CURLOPT_URL, cof_query(req));
    curl_easy_setopt(it.curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(it.curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(it.curl, CURLOPT_FAILONERROR, 1L);
    if (left < INT32_MAX) curl_easy_setopt(it.curl, CURLOPT_TIMEOUT_MS, (long)left);
    curl_easy_setopt(it.curl, CURLOPT_WRITEFUNCTION, arrived);
    curl_easy_setopt(it.curl, CURLOPT_WRITEDATA, &it);
    curl_easy_setopt(it.curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(it.curl, CURLOPT_XFERINFOFUNCTION, goes_on);
    curl_easy_setopt(it.curl, CURLOPT_XFERINFODATA, &it);
    cof_phase(req, "wait");
    result = curl_easy_perform(it.curl);
    if (result != CURLE_OK) cof_log(req, 4, "%s: %s", cof_query(req), curl_easy_strerror(result));
    curl_easy_cleanup(it.curl);
    return answer(result);
}
