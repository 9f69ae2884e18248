//! What a handler says while it runs: its head, its body, a file, its phases. All of it is hostile.

use std::os::fd::OwnedFd;

use super::{Run, verdict};
use crate::call::{Answer, answer_body};
use crate::child::life::Event;
use crate::child::meters::CallOutcome;
use crate::child::partner::Partner;
use crate::ffi::phases::Phases;
use crate::ffi::request::Input;
use crate::sys::clock::monotonic_ns;
use crate::wire::{MAX_CHUNK, Spent};

/// Names and values.
pub(super) type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What is known of a handler's answer.
#[derive(Default)]
pub(super) struct Handled {
    /// Nobody gets a body.
    is_head: bool,
    pub(super) phases: Phases,
    file: Option<File>,
}

struct File {
    status: u16,
    headers: Headers,
    file: OwnedFd,
    offset: u64,
    length: u64,
}

impl Handled {
    pub(super) fn new(input: &Input) -> Self {
        let is_head = matches!(input, Input::Request(request) if request.method == "HEAD");
        Self { is_head, ..Self::default() }
    }
}

impl<P: Partner> Run<P> {
    pub(super) fn head(&mut self, status: u16, headers: Headers) -> Option<Event> {
        let Ok(length) = announced(&headers) else {
            return self.confused("a content-length that is no number");
        };
        let is_bodiless = self.handled.is_head || matches!(status, 204 | 205 | 304);
        let (sender, body) = answer_body(length.filter(|_| !is_bodiless));
        let (accounting, phases) =
            (self.tally.until_now(), self.handled.phases.until(monotonic_ns()));
        let answer = Answer::Streaming { status, headers, body, accounting, phases };
        let is_first = self.handled.file.is_none()
            && self.client.begin(sender, length.filter(|_| !is_bodiless), answer);
        if is_first { None } else { self.confused("a second head") }
    }

    pub(super) fn chunk(&mut self, data: Vec<u8>) -> Option<Event> {
        if data.len() > MAX_CHUNK {
            return self.confused("a piece of a body that is too long");
        }
        match self.client.add(data) {
            Ok(()) => None,
            Err(what) => self.confused(what),
        }
    }

    /// It is given to the client when the handler has returned: whole, or not at all.
    pub(super) fn file(
        &mut self,
        (status, headers): (u16, Headers),
        offset: u64,
        length: u64,
    ) -> Option<Event> {
        let Some(file) = self.partner.take_file() else {
            return self.confused("a file without a descriptor");
        };
        if !self.client.awaits_head() || self.handled.file.is_some() {
            return self.confused("a second answer");
        }
        self.handled.file = Some(File { status, headers, file, offset, length });
        None
    }

    /// The worker's own time, as far as it can be true: when it is heard depends on what else the event loop does.
    pub(super) fn phase(&mut self, name: &str, at_ns: u64) -> Option<Event> {
        match self.handled.phases.begin(name, self.during(at_ns)) {
            true => None,
            false => self.confused("a phase that no handler can have named"),
        }
    }

    fn during(&self, claimed_ns: u64) -> u64 {
        let now_ns = monotonic_ns();
        claimed_ns.clamp(self.tally.sent_ns().min(now_ns), now_ns)
    }

    pub(super) fn end(&mut self, code: i32, spent: Spent) -> Option<Event> {
        if self.partner.take_file().is_some() {
            return self.confused("a descriptor that nobody asked for");
        }
        let accounting = self.tally.settle(spent);
        self.handled.phases.end(self.during(spent.ended_ns));
        match self.client.finish(code >= 0) {
            Err(what) => self.confused(what),
            Ok(true) => {
                if code < 0 {
                    verdict::log_cut(&self.spec, self.call.id, code);
                }
                self.close(
                    if code < 0 { CallOutcome::Failed } else { CallOutcome::Ok },
                    accounting,
                );
                Some(self.answered())
            }
            Ok(false) => {
                let phases = self.handled.phases.clone();
                let file = self.handled.file.take().filter(|_| code >= 0);
                self.answer(match file {
                    Some(File { status, headers, file, offset, length }) => {
                        Answer::File { status, headers, file, offset, length, accounting, phases }
                    }
                    None => Answer::Code { code, accounting, phases },
                })
            }
        }
    }
}

/// Bytes of the body, where a head says so: once, in digits (RFC 9110 section 8.6).
fn announced(headers: &Headers) -> Result<Option<u64>, ()> {
    let mut said = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    let Some((_, value)) = said.next() else { return Ok(None) };
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match (digits.and_then(|digits| digits.parse().ok()), said.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_once_and_in_digits() {
        let said = |values: &[&str]| {
            let header = |value: &&str| (b"Content-Length".to_vec(), value.as_bytes().to_vec());
            announced(&values.iter().map(header).collect())
        };
        let cases: [(&[&str], _); 7] = [
            (&[], Ok(None)),
            (&["7"], Ok(Some(7))),
            (&["7", "7"], Err(())),
            (&["+7"], Err(())),
            (&[""], Err(())),
            (&["7 "], Err(())),
            (&["18446744073709551616"], Err(())),
        ];
        for (values, expected) in cases {
            assert_eq!(said(values), expected, "{values:?}");
        }
    }
}
