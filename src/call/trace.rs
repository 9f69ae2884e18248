//! W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context-1/>): which trace a request belongs to.

use super::id::hex;

/// The bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// What a `traceparent` says. Neither id is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, the same in all programs.
    pub trace: u128,
    /// The span that asked.
    pub parent: u64,
    /// Whether whoever asked records it.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a header's value strictly. A later version is read as far as this one goes (section 3.2.4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let separators = [2, 35, 52];
        if value.len() < LENGTH || separators.iter().any(|place| value[*place] != b'-') {
            return None;
        }
        let version = number(&value[..2])?;
        let is_whole = match version {
            0 => value.len() == LENGTH,
            0xff => false,
            _ => value.len() == LENGTH || value[LENGTH] == b'-',
        };
        let trace = number(&value[3..35])?;
        let parent = number(&value[36..52])? as u64;
        let flags = number(&value[53..55])? as u8;
        let is_known = is_whole && trace != 0 && parent != 0;
        is_known.then_some(Self { trace, parent, is_sampled: flags & SAMPLED != 0 })
    }

    /// The trace, where somebody records it.
    #[must_use]
    pub fn recorded(&self) -> Option<u128> {
        self.is_sampled.then_some(self.trace)
    }

    /// As a header's value, of version 00.
    #[must_use]
    pub fn value(&self) -> [u8; LENGTH] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(self.trace, &mut value[3..35]);
        hex(self.parent.into(), &mut value[36..52]);
        hex(self.is_sampled.into(), &mut value[53..55]);
        value
    }
}

/// Lower-case hex digits.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn what_is_read_is_written_again() {
        for (flags, is_sampled) in [("01", true), ("00", false)] {
            let text = format!("00-{TRACE}-{PARENT}-{flags}");
            let read = TraceContext::parse(text.as_bytes()).unwrap();
            assert_eq!((read.parent, read.is_sampled), (0x00f0_67aa_0ba9_02b7, is_sampled));
            assert_eq!(str::from_utf8(&read.value()).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_none() {
        let zeros = "0".repeat(32);
        let good = [
            format!("00-{TRACE}-{PARENT}-ff"),
            format!("01-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01-what-comes-later"),
        ];
        for text in good {
            assert!(TraceContext::parse(text.as_bytes()).is_some(), "{text}");
        }
        let bad = [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-01-x"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("01-{TRACE}-{PARENT}-01x"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("0x-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{}--{PARENT}-01", &TRACE[1..]),
            format!(" 00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01 "),
            format!("00-{TRACE}-{}-01", "\u{e9}".repeat(8)),
        ];
        for text in bad {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
