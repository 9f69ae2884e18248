//! Bad HTTP, byte for byte, against the real program with a recording upstream: what is refused never reaches it, and
//! what reaches it can be read in one way only.

mod answers;
mod chunked;
mod corpus;
mod floods;
mod forwarded;
mod framing;
mod heads;
mod http2;
mod papers;
mod passing;
mod paths;
mod replies;
mod sequences;
mod slow;
mod tap;

use std::time::Duration;

use crate::support::Cofferdam;
use crate::support::http::Connection;
use replies::Reply;
use tap::Tap;

/// Longer than any answer takes, shorter than a test's patience.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy with a protected prefix, and the upstream behind it.
struct Stage {
    tap: Tap,
    cofferdam: Cofferdam,
}

impl Stage {
    fn new() -> Self {
        Self::with("")
    }

    /// With these lines under `[server]`.
    fn with(server: &str) -> Self {
        let tap = Tap::start();
        let cofferdam = Cofferdam::start(&format!(
            "upstream = \"{}\"\n[[routes]]\nprefix = \"/admin\"\nrespond = {{ status = 403, body = \"no\\n\" }}\n\
             [server]\n{server}\n",
            tap.url()
        ));
        Self { tap, cofferdam }
    }

    fn open(&self) -> Connection {
        let connection = Connection::open(self.cofferdam.addr()).unwrap();
        connection.stream().set_timeout(Some(TIMEOUT)).unwrap();
        connection
    }

    /// All that comes back on a connection that sends these bytes and then only reads.
    #[track_caller]
    fn send(&self, text: &str) -> Vec<Reply> {
        let mut connection = self.open();
        connection.send(&bytes(text)).unwrap();
        let rest = connection.rest().unwrap_or_else(|problem| panic!("{text:?}: {problem}"));
        replies::read(&rest).unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
    }

    /// The status of the first answer; 0: none came.
    #[track_caller]
    fn status(&self, text: &str) -> u16 {
        self.send(text).first().map_or(0, |reply| reply.status)
    }

    /// One answer, which says why in each of its places and ends the connection; the upstream has heard nothing.
    #[track_caller]
    fn refuses(&self, status: u16, text: &str) {
        let replies = self.send(text);
        let shown: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(shown, [status], "{text:?}: {replies:?}");
        let reply = &replies[0];
        let reason = if status == 431 { "head_too_large" } else { "bad_request" };
        assert_eq!(reply.reason(), reason, "{text:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{text:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{text:?}");
        let seen = self.tap.seen();
        assert!(seen.bytes.is_empty(), "{text:?}: {:?}", String::from_utf8_lossy(&seen.bytes));
    }

    /// One answer to one request, and what the upstream got for it; `Connection: close` is added.
    #[track_caller]
    fn passes(&self, head: &str, body: &str) -> tap::Request {
        self.tap.forget();
        let replies = self.send(&format!("{head}Connection: close\r\n\r\n{body}"));
        let shown: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(shown, [200], "{head:?}: {replies:?}");
        self.tap.requests(1).remove(0)
    }
}

/// Each character is one byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}
