//! The file as it is written: flat mirrors of its tables, each key optional, each value with its place.
//! What is read here has the right type; whether it makes sense is for the floor above.

mod crash;
mod environment;
mod later;
mod literal;
mod pool;
mod prototype;
mod queue;
mod read;
mod sandbox;
mod section;
mod told;
mod unit;

use std::time::Duration;

pub(crate) use crash::{Dossiers, Poison};
pub(crate) use later::WORDS_LATER;
pub(crate) use literal::{Binding, Literal, OrErrno};
pub(crate) use pool::Pool;
pub(crate) use prototype::{Argument, Failure, Response};
pub(crate) use queue::{Breaker, FairBy, Fairness, Queue, SpareRange, Spares};
pub(crate) use read::{Field, Named, Off};
use read::{Item, Read, field};
pub(crate) use sandbox::{AnyOr, Limits, Sandbox};
use section::{Section, mirror};
pub(crate) use section::{closest, list};
pub(crate) use told::{Access, Accounting, Log, Trace};
pub(crate) use unit::Size;

pub use section::Key;

use crate::config::source::Source;

mirror! {
    /// The top of the file.
    [""] File {
        /// Where to accept: "HOST:PORT", ":PORT" or "unix:PATH". The listener is named `http`.
        "listen" listen: String;
        /// The app that everything else goes to: "http://HOST:PORT", "https://HOST:PORT", "unix:PATH", or the NAME of an [upstreams.NAME]. Stands for a route `prefix = "/"` named `upstream`.
        "upstream" upstream: String;
        /// Accepting connections.
        "server" server: Server;
        /// The operator's listener: metrics and health.
        "admin" admin: Admin;
        /// Apps that routes proxy to.
        "upstreams" upstreams: Named<Upstream>;
        /// What calls may reach, by name.
        "sandboxes" sandboxes: Named<Sandbox>;
        /// What functions say that do not say otherwise.
        "defaults" defaults: Function;
        /// Functions of C libraries, each call in a process of its own.
        "functions" functions: Named<Function>;
        /// The routing rules. Their order means nothing: the more specific rule wins.
        "routes" routes: Vec<Field<Route>>;
        /// Where the time of calls goes.
        "accounting" accounting: Accounting;
        /// A file for each death of a worker by a signal; none are written, if this is not.
        "dossiers" dossiers: Dossiers;
        /// What is logged, and how.
        "log" log: Log;
        /// How requests are named across programs.
        "trace" trace: Trace;
    }

    /// Accepting connections.
    ["server"] Server {
        /// Event loops; 0 means one for each core.
        "workers" workers: i64 = "0";
        /// Client connections at once, all listeners together.
        "max_connections" max_connections: i64 = "16384";
        /// To receive a request's whole head; else 408 `head_timeout`.
        "header_timeout" header_timeout: Off<Duration> = "\"10s\"";
        /// How long a keep-alive connection may be without a request.
        "idle_timeout" idle_timeout: Off<Duration> = "\"75s\"";
        /// Between two reads of a request's body; else 408 `body_timeout`.
        "body_timeout" body_timeout: Off<Duration> = "\"30s\"";
        /// The whole of a request's body; else 408 `body_timeout`. Streams of gRPC may last.
        "body_total_timeout" body_total_timeout: Off<Duration> = "\"10m\"";
        /// How long a client may take nothing of an answer that waits for it.
        "send_timeout" send_timeout: Off<Duration> = "\"60s\"";
        /// What still runs this long after a SIGTERM is cut.
        "drain_timeout" drain_timeout: Duration = "\"30s\"";
        /// How long a new process started by SIGUSR2 may take to get ready; else the old one stays in service.
        "handover_timeout" handover_timeout: Duration = "\"30s\"";
        /// After so many requests a connection is closed, once the answer is sent.
        "max_requests_per_connection" max_requests_per_connection: Off<i64> = "\"off\"";
        /// The largest head of a request, from 8KiB; else 431 `head_too_large`.
        "max_header_size" max_header_size: Size = "\"64KiB\"";
        /// Headers of a request, 1 to 256; else 431 `head_too_large`.
        "max_headers" max_headers: i64 = "100";
        /// The largest body of a request; else 413 `body_too_large`.
        "max_body_size" max_body_size: Off<Size> = "\"8MiB\"";
        /// Addresses ("10.0.0.7") and networks ("10.0.0.0/8") whose X-Forwarded-* are believed.
        "trusted_proxies" trusted_proxies: Vec<Field<String>> = "[]";
        /// More places to accept at.
        "listeners" listeners: Vec<Field<Listener>>;
    }

    /// One more place to accept at.
    ["server.listeners"] Listener {
        /// Its name in logs.
        "name" name: String;
        /// "HOST:PORT", ":PORT" or "unix:PATH".
        "address" address: String;
        /// Speaks TLS here: HTTPS, with HTTP/2 where the client agrees.
        "tls" tls: ListenerTls;
        /// Each connection begins with a header of the PROXY protocol, 1 or 2, that names its client.
        "proxy_protocol" proxy_protocol: bool = "false";
    }

    /// TLS of a listener; all files are PEM.
    ["server.listeners.tls"] ListenerTls {
        /// The certificate and those that vouch for it, its own first.
        "certificate" certificate: String;
        /// The certificate's private key, not encrypted.
        "key" key: String;
        /// Authorities whose client certificates are taken; without it no client is asked for one.
        "client_ca" client_ca: String;
        /// With client_ca: require, or optional, which takes clients without a certificate too.
        "client_auth" client_auth: String = "\"require\"";
    }

    /// The operator's listener.
    ["admin"] Admin {
        /// "HOST:PORT", ":PORT" or "unix:PATH". Where none is written and the default is taken, a free port will do.
        "address" address: Off<String> = "\"127.0.0.1:9180\"";
    }

    /// An app that routes proxy to.
    ["upstreams.NAME"] Upstream {
        /// "http://HOST:PORT", "https://HOST:PORT" or "unix:PATH". Exactly one of url and urls.
        "url" url: String;
        /// Several places of one app, all of one scheme: ["http://a:5000", "http://b:5000"].
        "urls" urls: Vec<Field<String>>;
        /// http1; or http2: by prior knowledge, over TLS by ALPN.
        "protocol" protocol: String = "\"http1\"";
        /// How an https:// app is verified, and what it sees of us.
        "tls" tls: UpstreamTls;
        /// Who gets the next request: round_robin, or least_connections (who has the fewest in flight).
        "balance" balance: String = "\"round_robin\"";
        /// Requests in flight to it at once, all event loops together.
        "max_connections" max_connections: Off<i64> = "\"off\"";
        /// Who waits when max_connections are in flight.
        "queue" queue: UpstreamQueue;
        /// Asks each place of the app whether it is well; not done, if not written.
        "health" health: Health;
        /// Leaves a place out after failures of requests; the last one never.
        "eject" eject: Off<Eject>;
        /// How often names are looked up again; "off": until they were found once.
        "resolve" resolve: Off<Duration> = "\"10s\"";
        /// Of one connect, TLS included; else 502 `upstream_connect`.
        "connect_timeout" connect_timeout: Off<Duration> = "\"5s\"";
        /// From the request sent to the answer's head; else 504 `upstream_timeout`.
        "response_timeout" response_timeout: Off<Duration> = "\"60s\"";
        /// Between two reads of an answer's body; then it is cut. As response_timeout, if not written.
        "response_idle_timeout" response_idle_timeout: Off<Duration>;
        /// How long a pooled connection may be idle: keep it below the app's own keep-alive time.
        "idle_timeout" idle_timeout: Off<Duration> = "\"4s\"";
        /// How long a WebSocket may be silent in both directions.
        "tunnel_timeout" tunnel_timeout: Off<Duration> = "\"1h\"";
    }

    /// How an https:// app is verified, and what it sees of us. Files are PEM.
    ["upstreams.NAME.tls"] UpstreamTls {
        /// Certificates that are believed; the roots of this machine, if not written.
        "ca" ca: String;
        /// The name that is asked for and verified; the URL's host, if not written.
        "server_name" server_name: String;
        /// What we show of ourselves: our certificate, then those between it and the app's root.
        "certificate" certificate: String;
        /// The private key of certificate.
        "key" key: String;
        /// false believes whoever answers.
        "verify" verify: bool = "true";
    }

    /// Who waits when max_connections are in flight.
    ["upstreams.NAME.queue"] UpstreamQueue {
        /// Requests that wait at once; else 503 `queue_full`.
        "length" length: Off<i64> = "100";
        /// How long one waits; else 503 `queue_timeout`.
        "timeout" timeout: Off<Duration> = "\"5s\"";
    }

    /// Asks each place of an app whether it is well.
    ["upstreams.NAME.health"] Health {
        /// What is asked for, by GET, on a connection of its own.
        "path" path: String;
        /// The Host header; the URL's, if not written.
        "host" host: String;
        /// From one check to the next.
        "interval" interval: Duration = "\"5s\"";
        /// Of one check: connect, request and head.
        "timeout" timeout: Duration = "\"2s\"";
        /// Good checks in a row until it gets requests again.
        "rise" rise: i64 = "2";
        /// Bad checks in a row until it gets none.
        "fall" fall: i64 = "3";
        /// The statuses that are good: "200", or "200-399".
        "status" status: String = "\"200-399\"";
    }

    /// Leaves a place of an app out after failures of requests.
    ["upstreams.NAME.eject"] Eject {
        /// Failures in a row: no connection, a reset, no answer in time.
        "failures" failures: i64 = "5";
        /// How long it gets no requests.
        "for" lasts: Duration = "\"10s\"";
        /// Whether answers with 500 to 599 are failures too.
        "server_errors" server_errors: bool = "false";
    }

    /// A function of a C library.
    ["functions.NAME"] Function {
        /// The shared library. With a `/` a path, relative to the file's folder; without, looked up as dlopen(3) does.
        "library" library: String;
        /// The C declaration, pasted from the header. Exactly one of prototype and handler.
        "prototype" prototype: String;
        /// The symbol of a handler of `cofferdam.h`: `int SYMBOL(cof_request *, cof_response *)`.
        "handler" handler: String;
        /// When a handler has the request's body: whole, before it is called; or stream, while it runs.
        "request_body" request_body: String = "\"whole\"";
        /// Where each parameter of the prototype comes from.
        "arguments" arguments: Named<Binding>;
        /// Makes the handle that calls are given as "handle", once in each worker: a symbol, or a C declaration.
        "init" init: String;
        /// Where each parameter of init comes from: constants, and "handle" where it puts one.
        "init_arguments" init_arguments: Named<Binding>;
        /// The symbol that takes the handle back when the worker ends.
        "exit" exit: String;
        /// The symbol that takes what the function hands out back: a string or bytes, returned or put where a pointer points; as "free".
        "free" free: String;
        /// Which calls are a success, as "== 0", "!= null" or "errno == 0"; all, if not written.
        "success" success: String;
        /// How a success is answered.
        "response" response: Response;
        /// How a return that is no success is answered.
        "failure" failure: Failure;
        /// How calls run: process (one of its own for each), pool (processes used again), thread or inline (in the proxy itself), or detached (nobody waits for the answer).
        "mode" mode: String = "\"process\"";
        /// How processes are made: exec, the worker program started afresh; or fork, a worker that has loaded the library forks itself.
        "spawn" spawn: String = "\"exec\"";
        /// With mode = "pool": when a process is replaced.
        "pool" pool: Pool;
        /// What is true of the function beyond what its library says: cpu_bound (it computes), threadsafe (threads may call any of the library's functions at once), reentrant (threads may call this one at once), idempotent (a call may run twice), reusable (one process may call it again).
        "traits" traits: Vec<Field<String>> = "[]";
        /// Calls at once.
        "max_concurrency" max_concurrency: i64 = "32";
        /// Who waits when all slots are taken.
        "queue" queue: Queue;
        /// Refuses calls, but for a few that try, when nothing but crashes comes of them; 503 `breaker_open`.
        "breaker" breaker: Off<Breaker>;
        /// How often a call runs again, in another process, that crashed before its answer began: 1 to 5. Only where the function is idempotent.
        "retry" retry: Off<i64> = "\"off\"";
        /// Refuses requests whose like have killed their processes; 422 `poisoned`.
        "poison" poison: Off<Poison> = "\"off\"";
        /// Processes started ahead, library loaded, each for one call; "auto": from 1 to max_concurrency, as many as are needed. In a pool, those that are always there.
        "spares" spares: Off<Spares> = "2";
        /// Of the call itself; then the client has its 504 and the process group its SIGTERM.
        "timeout" timeout: Off<Duration> = "\"30s\"";
        /// A call that takes longer is written of in the log: while it runs, with its stack, and when it ends.
        "slow_log" slow_log: Off<Duration> = "\"1s\"";
        /// From SIGTERM to SIGKILL; "off" kills at once.
        "kill_grace" kill_grace: Off<Duration> = "\"1s\"";
        /// What becomes of a call whose client left: kill or finish.
        "on_disconnect" on_disconnect: String = "\"kill\"";
        /// What a call may reach: off, basic, strict, or the NAME of a [sandboxes.NAME].
        "sandbox" sandbox: String = "\"basic\"";
    }

    /// One routing rule: what it matches, and exactly one of call, handler, proxy, respond, redirect and files.
    ["routes"] Route {
        /// The metric label, `[a-z0-9][a-z0-9_-]*`; else made from the path.
        "name" name: String;
        /// `"api.example.com"` or `"*.example.com"`; any, if not written.
        "host" host: String;
        /// Exact, or a pattern: `{id}` is one segment, `{*rest}` the rest. Exactly one of path and prefix.
        "path" path: String;
        /// Whole segments: "/v1" matches /v1 and /v1/x, not /v10.
        "prefix" prefix: String;
        /// http or https: how the client came; any, if not written. A route with a scheme goes before all without.
        "scheme" scheme: String;
        /// Any, if not written.
        "methods" methods: Vec<Field<String>>;
        /// Headers that must be present with this value.
        "headers" headers: Named<String>;
        /// A function by NAME, or "LIBRARY:SYMBOL" for an int SYMBOL(void).
        "call" call: String;
        /// A function with a handler by NAME, or "LIBRARY:SYMBOL" for a handler of `cofferdam.h`.
        "handler" handler: String;
        /// An upstream by NAME, or its URL.
        "proxy" proxy: String;
        /// A fixed answer.
        "respond" respond: Respond;
        /// Sends the client elsewhere.
        "redirect" redirect: Redirect;
        /// Files of a folder.
        "files" files: Files;
        /// Takes the prefix off the path that the handler gets.
        "strip_prefix" strip_prefix: bool = "false";
        /// The path that the handler gets: it stands in for the prefix, or for the whole of a `path`, whose `{name}`s it may use.
        "rewrite" rewrite: String;
        /// Headers of the request, changed on its way to the handler.
        "request_headers" request_headers: Headers;
        /// Headers of the handler's answer, changed on its way to the client.
        "response_headers" response_headers: ResponseHeaders;
        /// Whether answers are compressed for clients that take it: text above 1 KiB, by br, zstd or gzip.
        "compress" compress: bool = "false";
        /// How often a client may ask; else 429 `rate_limited`.
        "rate_limit" rate_limit: RateLimit;
        /// Who goes first in a function's queue: high, normal or low.
        "priority" priority: String = "\"normal\"";
        /// From the head's arrival to the head of the answer: queue, start and call together; else 504 `timeout`.
        "timeout" timeout: Off<Duration> = "\"60s\"";
    }

    /// A fixed answer.
    ["routes.respond"] Respond {
        /// 200 to 599.
        "status" status: i64 = "200";
        /// Sent as it stands.
        "body" body: String = "\"\"";
        /// Its media type.
        "content_type" content_type: String = "\"text/plain; charset=utf-8\"";
    }

    /// Sends the client elsewhere.
    ["routes.redirect"] Redirect {
        /// "https://HOST/PATH" or "/PATH"; `{host}` is the request's host without its port, `{path}` its path, `{name}` one of the route's own. The query is kept, unless one is written.
        "to" to: String;
        /// 301, 302, 303, 307 or 308.
        "status" status: i64 = "308";
    }

    /// Files of a folder.
    ["routes.files"] Files {
        /// The folder. It stands for the route's prefix: under "/static", /static/app.js is app.js in it.
        "root" root: String;
        /// The file that answers for a folder.
        "index" index: Off<String> = "\"index.html\"";
        /// The header Cache-Control of the files.
        "cache_control" cache_control: String;
        /// Whether FILE.br, FILE.zst or FILE.gz beside a file is sent to clients that take it.
        "precompressed" precompressed: bool = "false";
    }

    /// Headers of the request, changed on its way to the handler.
    ["routes.request_headers"] Headers {
        /// Headers that go; first.
        "remove" remove: Vec<Field<String>>;
        /// Headers that get this one value, whatever they had.
        "set" set: Named<String>;
        /// Headers that get one more value; last.
        "add" add: Named<String>;
    }

    /// Headers of the handler's answer, changed on its way to the client.
    ["routes.response_headers"] ResponseHeaders {
        /// Headers that go; first.
        "remove" remove: Vec<Field<String>>;
        /// Headers that get this one value, whatever they had.
        "set" set: Named<String>;
        /// Headers that get one more value; last.
        "add" add: Named<String>;
    }

    /// How often a client may ask.
    ["routes.rate_limit"] RateLimit {
        /// Requests for each second, minute or hour: "100/s", "30/m", "1000/h".
        "rate" rate: String;
        /// Requests at once after a silence; else the number of the rate.
        "burst" burst: i64;
        /// Who is counted: client, by address (IPv6 by /64).
        "by" by: String = "\"client\"";
    }
}

/// Every key of the file, in the order of the reference.
#[must_use]
pub fn keys() -> Vec<Key> {
    let sections = [
        File::keys(),
        Server::keys(),
        Listener::keys(),
        ListenerTls::keys(),
        Admin::keys(),
        Upstream::keys(),
        UpstreamTls::keys(),
        UpstreamQueue::keys(),
        Health::keys(),
        Eject::keys(),
        Function::keys(),
        Argument::keys(),
        Response::keys(),
        Failure::keys(),
        Queue::keys(),
        Fairness::keys(),
        Breaker::keys(),
        SpareRange::keys(),
        Poison::keys(),
        Sandbox::keys(),
        Limits::keys(),
        Pool::keys(),
        Route::keys(),
        Respond::keys(),
        Redirect::keys(),
        Files::keys(),
        Headers::keys(),
        ResponseHeaders::keys(),
        RateLimit::keys(),
        Accounting::keys(),
        Dossiers::keys(),
        Log::keys(),
        Access::keys(),
        Trace::keys(),
    ];
    sections.into_iter().flatten().collect()
}

/// Reads the whole file.
pub(crate) fn read(table: &toml::de::DeTable<'_>, source: &mut Source<'_>) -> File {
    section::read_table(table, source)
}
