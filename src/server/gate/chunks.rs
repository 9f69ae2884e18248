//! A chunked body (RFC 9112 section 7.1), read more strictly than hyper does: where hyper takes a byte for something
//! else, its reader and the upstream's would already disagree.

use crate::handler::Error;

/// Bytes of all chunk extensions of one body together, and of its trailers.
const MOST_EXTRA: usize = 16 * 1024;
/// Hex digits of a size: 2^60 bytes and more are nobody's chunk.
const MOST_DIGITS: u8 = 15;
const MOST_TRAILERS: usize = 64;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
    /// Of the present chunk.
    left: u64,
    /// Bytes of extensions so far.
    extra: usize,
    trailers: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    /// So many digits.
    Size(u8),
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    Trailers,
}

impl Chunks {
    /// Looks at the next bytes: how many belong to the body, and whether it ends with them.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn look(&mut self, bytes: &[u8]) -> Result<(usize, bool), Error> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Data => at += self.skip(&bytes[at..]),
                State::Trailers => {
                    at += 1;
                    if self.trailer_byte(bytes[at - 1])? {
                        return Ok((at, true));
                    }
                }
                _ => {
                    self.step(bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok((at, false))
    }

    fn skip(&mut self, bytes: &[u8]) -> usize {
        let used = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.left -= used as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        used
    }

    fn step(&mut self, byte: u8) -> Result<(), Error> {
        let digit = char::from(byte).to_digit(16);
        self.state = match (&self.state, byte, digit) {
            (State::Start, _, Some(digit)) => self.digit(digit, 0)?,
            (State::Size(count), _, Some(digit)) => self.digit(digit, *count)?,
            (State::Size(_), b';', _) => State::Extension,
            (State::Size(_) | State::Extension, b'\r', _) => State::SizeEnd,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80.., _) => self.extension()?,
            (State::SizeEnd, b'\n', _) if self.left == 0 => State::Trailers,
            (State::SizeEnd, b'\n', _) => State::Data,
            (State::DataCr, b'\r', _) => State::DataLf,
            (State::DataLf, b'\n', _) => State::Start,
            _ => return Err(Error::BadRequest("the chunked body is malformed")),
        };
        Ok(())
    }

    fn digit(&mut self, digit: u32, before: u8) -> Result<State, Error> {
        if before >= MOST_DIGITS {
            return Err(Error::BadRequest("a chunk's size is too large"));
        }
        self.left = if before == 0 { 0 } else { self.left << 4 } | u64::from(digit);
        Ok(State::Size(before + 1))
    }

    fn extension(&mut self) -> Result<State, Error> {
        self.extra += 1;
        match self.extra > MOST_EXTRA {
            true => Err(Error::BadRequest("the chunks' extensions are too large")),
            false => Ok(State::Extension),
        }
    }

    /// True with the last byte of the empty line after the trailers.
    fn trailer_byte(&mut self, byte: u8) -> Result<bool, Error> {
        self.trailers.push(byte);
        if byte != b'\n' {
            return match self.trailers.len() > MOST_EXTRA {
                true => Err(Error::BadRequest("the trailers are too large")),
                false => Ok(false),
            };
        }
        let malformed = Error::BadRequest("the trailers are malformed");
        if !self.trailers.ends_with(b"\r\n") {
            return Err(malformed);
        }
        let is_end = self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n");
        if is_end {
            let mut places = [httparse::EMPTY_HEADER; MOST_TRAILERS];
            httparse::parse_headers(&self.trailers, &mut places).map_err(|_| malformed)?;
        }
        Ok(is_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes up to the end of the body; `None`: it is malformed. However the bytes are cut.
    fn told(text: &str) -> Option<Option<usize>> {
        let whole = Chunks::default().look(text.as_bytes()).ok();
        let mut bytewise = Chunks::default();
        let mut end = Some(None);
        for (place, byte) in text.bytes().enumerate() {
            match bytewise.look(&[byte]) {
                Ok((_, true)) => {
                    end = Some(Some(place + 1));
                    break;
                }
                Ok((_, false)) => {}
                Err(_) => {
                    end = None;
                    break;
                }
            }
        }
        assert_eq!(end, whole.map(|(used, is_over)| is_over.then_some(used)), "{text:?}");
        end
    }

    #[test]
    fn only_what_has_one_meaning_is_a_body() {
        let rows = [
            ("0\r\n\r\n", Some(Some(5))),
            ("3\r\nabc\r\n0\r\n\r\nmore", Some(Some(13))),
            ("00a\r\n0123456789\r\n000\r\n\r\n", Some(Some(24))),
            ("1;a=\"b;c\"\r\nx\r\n0;z\r\n\r\n", Some(Some(21))),
            ("0\r\nA: 1\r\nB: 2\r\n\r\n", Some(Some(17))),
            ("3\r\nab", Some(None)),
            ("", Some(None)),
            ("3 \r\nabc\r\n0\r\n\r\n", None),
            (" 3\r\nabc\r\n0\r\n\r\n", None),
            ("+3\r\nabc\r\n0\r\n\r\n", None),
            ("0x3\r\nabc\r\n0\r\n\r\n", None),
            ("3\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabc0\r\n\r\n", None),
            ("3\r\nabc\n0\r\n\r\n", None),
            ("3\rXabc\r\n", None),
            ("\r\n", None),
            (";x\r\n\r\n", None),
            ("1;\n\r\nx\r\n0\r\n\r\n", None),
            ("1;\0\r\nx\r\n0\r\n\r\n", None),
            ("1000000000000000\r\n", None),
            ("0\r\nA\r\n\r\n", None),
            ("0\r\nA: 1\n\r\n", None),
            ("0\r\n X: 1\r\n\r\n", None),
        ];
        for (text, expected) in rows {
            assert_eq!(told(text), expected, "{text:?}");
        }
        assert_eq!(told(&format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(MOST_EXTRA + 1))), None);
        assert_eq!(told(&format!("0\r\nA: {}\r\n\r\n", "x".repeat(MOST_EXTRA + 1))), None);
    }
}
