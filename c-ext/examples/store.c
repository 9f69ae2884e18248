/*
 * Appends a body to a SQLite database that others write to as well: it waits for their lock for as long as the call has
 * time, and not a moment longer than somebody waits for the answer.
 *
 *     [functions.store]
 *     library = "target/release/c-ext/libstore.so"
 *     handler = "store"                         # POST /store?/var/lib/app/notes.db
 *
 * needs: libsqlite3-dev sqlite3.h -lsqlite3
 */
#include <cofferdam.h>
#include <sqlite3.h>
#include <unistd.h>

/* SQLite asks again while another connection holds the lock. */
static int busy(void *user, int tries) {
    cof_request *req = (cof_request *)user;
    if (tries == 0) cof_phase(req, "lock");
    if (cof_cancelled(req) || cof_time_left_ms(req) < 300) return 0;
    usleep(10000);
    return 1;
}

static int store_body(cof_request *req, sqlite3 *db) {
    size_t length = 0;
    const void *body = cof_body(req, &length);
    sqlite3_stmt *insert = NULL;
    int result = sqlite3_exec(db, "create table if not exists notes (id integer primary key, body blob)", NULL, NULL, NULL);
    if (result == SQLITE_OK) result = sqlite3_prepare_v2(db, "insert into notes (body) values (?)", -1, &insert, NULL);
    if (result == SQLITE_OK) result = sqlite3_bind_blob64(insert, 1, body, length, SQLITE_STATIC);
    if (result == SQLITE_OK && (result = sqlite3_step(insert)) == SQLITE_DONE) result = SQLITE_OK;
    sqlite3_finalize(insert);
    return result;
}

int store(cof_request *req, cof_response *res) {
    sqlite3 *db = NULL;
    int result = sqlite3_open(cof_query(req), &db);
    long long id = 0;
    if (result == SQLITE_OK) {
        sqlite3_busy_handler(db, busy, req);
        cof_phase(req, "write");
        result = store_body(req, db);
        id = sqlite3_last_insert_rowid(db);
    }
    if (result != SQLITE_OK) cof_log(req, 4, "%s: %s", cof_query(req), db ? sqlite3_errmsg(db) : "no memory");
    sqlite3_close(db);
    if (result == SQLITE_BUSY) return -EBUSY;
    if (result != SQLITE_OK) return -EIO;
    cof_status(res, 201);
    cof_set_header(res, "content-type", "text/plain");
    return cof_printf(res, "%lld\n", id);
}
