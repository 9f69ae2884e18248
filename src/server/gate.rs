//! The raw bytes of an HTTP/1 connection, looked at before hyper sees them: a message that two readers could frame
//! differently goes no further. Pure: bytes in, a refusal or none out.

pub mod chunks;
pub mod head;

use crate::handler::Error;
use crate::server::gate::chunks::Chunks;
use crate::server::gate::head::{Framing, Limits};

/// Follows the requests of one connection.
pub struct Gate {
    limits: Limits,
    phase: Phase,
    /// What came of a head that is not whole yet.
    begun: Vec<u8>,
}

enum Phase {
    /// Before the first byte of a head; whether an empty line came already.
    Between {
        after_empty_line: bool,
    },
    Head,
    Body(u64),
    Chunked(Chunks),
    /// An upgrade was asked for: what these bytes are depends on the answer.
    Upgrading,
    Tunnel,
}

/// Nothing from `at` on may be passed on.
#[derive(Debug)]
pub struct Refusal {
    /// Bytes of the last look that are still good.
    pub at: usize,
    /// Why.
    pub error: Error,
    /// A request has begun: its body is what is wrong.
    pub in_body: bool,
}

/// How far a look went.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// All bytes may be passed on.
    All,
    /// Those before this place; the rest waits for the answer to a request to upgrade.
    Until(usize),
}

impl Gate {
    /// Of a connection from its first byte on.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, phase: Phase::FIRST, begun: Vec::new() }
    }

    /// Looks at the next bytes.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing must be looked at after it.
    pub fn look(&mut self, bytes: &[u8]) -> Result<Seen, Refusal> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let in_body = matches!(self.phase, Phase::Body(_) | Phase::Chunked(_));
            let refuse = |error| Refusal { at, error, in_body };
            at += match &mut self.phase {
                Phase::Body(left) => {
                    let left = *left;
                    self.skip(rest, left)
                }
                Phase::Between { .. } => self.begin(rest).map_err(refuse)?,
                Phase::Head => self.go_on(rest).map_err(refuse)?,
                Phase::Chunked(chunks) => {
                    let (used, is_over) = chunks.look(rest).map_err(refuse)?;
                    if is_over {
                        self.phase = Phase::FIRST;
                    }
                    used
                }
                Phase::Upgrading => return Ok(Seen::Until(at)),
                Phase::Tunnel => return Ok(Seen::All),
            };
        }
        Ok(Seen::All)
    }

    /// The request to upgrade was answered. Bytes of a tunnel are nobody's business.
    pub fn upgrade_answered(&mut self, is_upgraded: bool) {
        if matches!(self.phase, Phase::Upgrading) {
            self.phase = if is_upgraded { Phase::Tunnel } else { Phase::FIRST };
        }
    }

    /// Whether what comes next depends on an answer.
    #[must_use]
    pub fn is_upgrading(&self) -> bool {
        matches!(self.phase, Phase::Upgrading)
    }

    /// Whether all requests so far are whole.
    #[must_use]
    pub fn is_between(&self) -> bool {
        matches!(self.phase, Phase::Between { .. })
    }

    /// The first bytes of a head. RFC 9112 section 2.2 lets an empty line stand before it.
    fn begin(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let Phase::Between { after_empty_line } = self.phase else { return Ok(0) };
        match bytes {
            [b'\r', b'\n', ..] if !after_empty_line => {
                self.phase = Phase::Between { after_empty_line: true };
                Ok(2)
            }
            [b'\r'] if !after_empty_line => self.keep(bytes, 0),
            [b'\r' | b'\n', ..] => Err(Error::BadRequest("an empty line instead of a request")),
            _ => self.whole_or_kept(bytes),
        }
    }

    fn whole_or_kept(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match head::read(bytes, &self.limits)? {
            Some(head) => Ok(self.enter(head.framing, head.length)),
            None => self.keep(bytes, 0),
        }
    }

    /// More of a head that has begun.
    fn go_on(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let before = self.begun.len();
        if before == 1 && self.begun == b"\r" {
            self.begun.clear();
            return match bytes.first() {
                Some(b'\n') => {
                    self.phase = Phase::Between { after_empty_line: true };
                    Ok(1)
                }
                _ => Err(Error::BadRequest("a line that ends in CR alone")),
            };
        }
        let room = self.limits.size.saturating_sub(before);
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let begun = std::mem::take(&mut self.begun);
        // A head ends with a line: nothing to parse again before the next one is whole.
        let whole = match bytes.contains(&b'\n') {
            true => head::read(&begun, &self.limits)?,
            false => None,
        };
        match whole {
            Some(head) => Ok(self.enter(head.framing, head.length - before)),
            None => {
                self.begun = begun;
                self.keep(&[], bytes.len())
            }
        }
    }

    /// Keeps `bytes` for the next look; `used` were kept before.
    fn keep(&mut self, bytes: &[u8], used: usize) -> Result<usize, Error> {
        self.begun.extend_from_slice(bytes);
        if self.begun.len() >= self.limits.size {
            return Err(self.limits.exceeded());
        }
        self.phase = Phase::Head;
        Ok(used + bytes.len())
    }

    fn enter(&mut self, framing: Framing, used: usize) -> usize {
        self.phase = match framing {
            Framing::None | Framing::Length(0) => Phase::FIRST,
            Framing::Length(length) => Phase::Body(length),
            Framing::Chunked => Phase::Chunked(Chunks::default()),
            Framing::Upgrade => Phase::Upgrading,
        };
        used
    }

    fn skip(&mut self, bytes: &[u8], left: u64) -> usize {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.phase = match left - used as u64 {
            0 => Phase::FIRST,
            left => Phase::Body(left),
        };
        used
    }
}

impl Phase {
    const FIRST: Self = Phase::Between { after_empty_line: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 8192, count: 100 };
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// The place of the refusal, however the bytes are cut; `None`: none.
    fn refused_at(text: &str) -> Option<usize> {
        let whole = look_in_pieces(text, text.len());
        for size in [1, 2, 3, 7] {
            assert_eq!(look_in_pieces(text, size).is_some(), whole.is_some(), "{size} {text:?}");
        }
        whole
    }

    fn look_in_pieces(text: &str, size: usize) -> Option<usize> {
        let mut gate = Gate::new(LIMITS);
        let mut before = 0;
        for piece in text.as_bytes().chunks(size) {
            match gate.look(piece) {
                Ok(_) => before += piece.len(),
                Err(refusal) => return Some(before + refusal.at),
            }
        }
        None
    }

    #[test]
    fn requests_follow_each_other() {
        let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let chunked = format!("{CHUNKED}3;x=\"y\"\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n");
        for text in [
            GET.to_owned(),
            format!("{GET}{body}{chunked}{GET}"),
            format!("\r\n{GET}\r\n{GET}"),
            format!("{chunked}{chunked}{body}"),
        ] {
            assert_eq!(refused_at(&text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_where_it_begins() {
        let both =
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        let rows = [
            (both.to_owned(), 0),
            (format!("{GET}{both}"), GET.len()),
            (format!("\r\n\r\n{GET}"), 2),
            (format!("\n{GET}"), 0),
            (format!("{GET}nonsense\r\n\r\n"), GET.len()),
            (format!("{GET}{}", "x".repeat(9000)), GET.len()),
        ];
        for (text, at) in rows {
            assert_eq!(refused_at(&text), Some(at), "{text:?}");
        }
        assert!(refused_at(&format!("{CHUNKED}3\r\nabcX\r\n0\r\n\r\n")).is_some());
    }

    #[test]
    fn bytes_after_a_request_to_upgrade_wait_for_its_answer() {
        let head = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let bytes = format!("{head}\x01\x02");
        for (is_upgraded, is_good) in [(true, true), (false, false)] {
            let mut gate = Gate::new(LIMITS);
            assert_eq!(gate.look(bytes.as_bytes()).unwrap(), Seen::Until(head.len()));
            gate.upgrade_answered(is_upgraded);
            assert_eq!(gate.look(b"\x01\x02\r\n").is_ok(), is_good);
        }
    }
}
