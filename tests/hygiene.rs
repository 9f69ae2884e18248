//! Bad HTTP, byte for byte, against the real program with a recording upstream: what is refused never reaches it, and
//! what reaches it can be read in one way only.

mod answers;
mod heads;
mod paths;

use crate::support::http::Connection;
use crate::support::{Answer, Cofferdam, Upstream};

/// A proxy with a protected prefix, and the upstream behind it.
struct Stage {
    upstream: Upstream,
    cofferdam: Cofferdam,
}

impl Stage {
    fn new() -> Self {
        let upstream = Upstream::builder().fallback(Answer::ok("up")).start();
        let cofferdam = Cofferdam::start(&format!(
            "upstream = \"{}\"\n[[routes]]\nprefix = \"/admin\"\nrespond = {{ status = 403, body = \"no\\n\" }}\n",
            upstream.url()
        ));
        Self { upstream, cofferdam }
    }

    /// All that comes back on a connection that sends these bytes and then only reads.
    fn send(&self, bytes: &[u8]) -> String {
        let mut connection = Connection::open(self.cofferdam.addr()).unwrap();
        connection.send(bytes).unwrap();
        String::from_utf8_lossy(&connection.rest().unwrap()).into_owned()
    }

    /// The status of the first answer; 0: none came.
    fn status(&self, bytes: &[u8]) -> u16 {
        let answer = self.send(bytes);
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}
