//! The head of a handler's response, until it is committed. What HTTP does not allow is refused here and now,
//! so that the handler hears of it; the proxy checks again.

use rustix::io::Errno;

use crate::wire::{FromWorker, MAX_HEAD, header_size};

/// Not yet committed.
#[derive(Debug)]
pub(super) struct Head {
    status: u16,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Default for Head {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new() }
    }
}

impl Head {
    pub(super) fn set_status(&mut self, status: i32) -> Result<(), Errno> {
        let status = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
        self.status = status.ok_or(Errno::INVAL)?;
        Ok(())
    }

    pub(super) fn add(&mut self, name: &[u8], value: &[u8], replace: bool) -> Result<(), Errno> {
        if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_field) {
            return Err(Errno::INVAL);
        }
        let replace = replace || is_length(name);
        if is_length(name) && length(value).is_none() {
            return Err(Errno::INVAL);
        }
        let others = |(known, _): &&(Vec<u8>, _)| !replace || !known.eq_ignore_ascii_case(name);
        let kept = self.headers.iter().filter(others).map(header_size).sum::<usize>();
        if kept.saturating_add(name.len() + value.len() + 32) > MAX_HEAD {
            return Err(Errno::TOOBIG);
        }
        self.headers.retain(|header| others(&header));
        self.headers.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    pub(super) fn into_frame(self, id: u64) -> FromWorker {
        FromWorker::Head { id, status: self.status, headers: self.headers }
    }

    /// With bytes of a file for its body.
    pub(super) fn into_file(self, id: u64, offset: u64, length: u64) -> FromWorker {
        FromWorker::File { id, status: self.status, headers: self.headers, offset, length }
    }

    /// As [`Head::announced`]. What the first write already breaks is taken out: the framing is the proxy's then.
    pub(super) fn announced_for(&mut self, first: u64) -> Option<u64> {
        if self.announced().is_some_and(|said| said < first) {
            self.headers.retain(|(name, _)| !is_length(name));
        }
        self.announced()
    }

    /// Bytes of the body, where it says so.
    pub(super) fn announced(&self) -> Option<u64> {
        let said = self.headers.iter().find(|(name, _)| is_length(name));
        said.and_then(|(_, value)| length(value))
    }
}

fn is_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length")
}

/// Digits only (RFC 9110 section 8.6).
fn length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok())
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// A byte of a field value: no control character but the tab (RFC 9110 section 5.5).
fn is_field(byte: &u8) -> bool {
    *byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_from_200_to_599() {
        for (status, expected) in [
            (199, Err(Errno::INVAL)),
            (200, Ok(())),
            (599, Ok(())),
            (600, Err(Errno::INVAL)),
            (-1, Err(Errno::INVAL)),
            (65736, Err(Errno::INVAL)),
        ] {
            assert_eq!(Head::default().set_status(status), expected, "{status}");
        }
    }

    #[test]
    fn what_http_does_not_allow_is_refused() {
        let cases: [(&[u8], &[u8], _); 11] = [
            (b"Content-Length", b"70", Ok(())),
            (b"content-length", b"+7", Err(Errno::INVAL)),
            (b"content-length", b"", Err(Errno::INVAL)),
            (b"x-a", b"plain", Ok(())),
            (b"x-a", b"", Ok(())),
            (b"x-a", b"tab\tand \xff", Ok(())),
            (b"", b"v", Err(Errno::INVAL)),
            (b"x a", b"v", Err(Errno::INVAL)),
            (b"x:", b"v", Err(Errno::INVAL)),
            (b"x-a", b"v\r\nSet-Cookie: s", Err(Errno::INVAL)),
            (b"x-a", b"\x7f", Err(Errno::INVAL)),
        ];
        for (name, value, expected) in cases {
            assert_eq!(Head::default().add(name, value, false), expected, "{name:?} {value:?}");
        }
    }

    #[test]
    fn setting_replaces_and_adding_adds() {
        let mut head = Head::default();
        head.add(b"a", b"1", false).unwrap();
        head.add(b"A", b"2", false).unwrap();
        head.add(b"b", b"3", true).unwrap();
        assert_eq!(head.headers.len(), 3);
        head.add(b"a", b"4", true).unwrap();
        let expected = vec![(b"b".to_vec(), b"3".to_vec()), (b"a".to_vec(), b"4".to_vec())];
        assert_eq!(head.headers, expected);
    }

    #[test]
    fn a_head_has_an_end() {
        let mut head = Head::default();
        let long = vec![b'v'; MAX_HEAD - 33];
        assert_eq!(head.add(b"a", &long, false), Ok(()));
        assert_eq!(head.add(b"b", b"", false), Err(Errno::TOOBIG));
        assert_eq!(head.add(b"a", &long, true), Ok(()));
    }
}
