//! Request ids: 128 random bits of our own, or the word that a trusted proxy gave; made without a lock or an allocation.

use std::fmt;

use crate::sys::random;

/// The longest id that is taken over, in bytes.
const MAX_GIVEN: usize = 64;

/// The name of one request in logs, answers and workers: 32 hex digits, or what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    own: u128,
    given: Option<Given>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Given {
    length: u8,
    text: [u8; MAX_GIVEN],
}

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn next() -> Self {
        Self { own: random::next_u128(), given: None }
    }

    /// One that came with the request; `None` where it could be anything but a name.
    #[must_use]
    pub fn given(text: &[u8]) -> Option<Self> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@~".contains(byte);
        let is_name = !text.is_empty() && text.len() <= MAX_GIVEN && text.iter().all(is_part);
        is_name.then(|| {
            let mut given = Given { length: text.len() as u8, text: [0; MAX_GIVEN] };
            given.text[..text.len()].copy_from_slice(text);
            Self { given: Some(given), ..Self::next() }
        })
    }

    /// 64 of its own bits: name the call in the frames to its worker.
    #[must_use]
    pub fn low(self) -> u64 {
        self.own as u64
    }

    /// All of its own bits: they name a trace that begins with this request.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.own
    }

    /// The id as text, in `buffer` where it is not a given one.
    #[must_use]
    pub fn text<'a>(&'a self, buffer: &'a mut [u8; 32]) -> &'a [u8] {
        match &self.given {
            Some(given) => &given.text[..usize::from(given.length)],
            None => {
                hex(self.own, buffer);
                buffer
            }
        }
    }
}

/// The lowest digits of `bits` that fit into `out`, two a byte, in lower-case hex.
pub(super) fn hex(bits: u128, out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = bits.to_be_bytes();
    for (pair, byte) in out.chunks_exact_mut(2).rev().zip(bytes.iter().rev()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.text(&mut [0; 32])).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_of_one_length() {
        let (first, second) = (RequestId::next(), RequestId::next());
        assert_ne!(first, second);
        assert_ne!(first.low(), second.low());
        assert_eq!(first.to_string().len(), 32);
        assert_eq!(first.to_string(), format!("{:032x}", first.bits()));
    }

    #[test]
    fn a_given_id_is_kept_as_it_is_or_not_at_all() {
        let longest = "a".repeat(MAX_GIVEN);
        for text in
            ["a", "7b0f6a4e-5c1d-4d0e-9d6b-1f2e3d4c5b6a", "Root=1-67891233-abcdef", &longest]
        {
            assert_eq!(RequestId::given(text.as_bytes()).unwrap().to_string(), text);
        }
        let longer = "a".repeat(MAX_GIVEN + 1);
        for text in ["", " ", "a b", "a\"b", "a\nb", "a\\b", "a,b", "\u{e9}", "a\0", &longer] {
            assert_eq!(RequestId::given(text.as_bytes()), None, "{text:?}");
        }
    }
}
