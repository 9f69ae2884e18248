//! A cursor over one hostile payload: every length is checked against what is left before it is used.

use super::{CodecError, MAX_ITEMS};

/// What is left of a payload.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// Runs `decode` over all of `payload`; a rest is an error.
    pub(super) fn whole<T>(
        payload: &'a [u8],
        decode: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Empty);
        }
        let mut reader = Self::new(payload);
        let value = decode(&mut reader)?;
        match reader.0.len() {
            0 => Ok(value),
            extra => Err(CodecError::Trailing { extra }),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(CodecError::Truncated { missing: count - self.0.len() });
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, CodecError> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, CodecError> {
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, CodecError> {
        let length = self.length()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    pub(super) fn text(&mut self) -> Result<String, CodecError> {
        String::from_utf8(self.bytes()?).map_err(|_| CodecError::Text)
    }

    /// A string that C will read up to its NUL.
    pub(super) fn c_text(&mut self) -> Result<String, CodecError> {
        let text = self.text()?;
        if text.contains('\0') { Err(CodecError::Text) } else { Ok(text) }
    }

    /// A flag, and what follows where it is set.
    pub(super) fn maybe<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        Ok(if self.flag()? { Some(item(self)?) } else { None })
    }

    pub(super) fn flag(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(CodecError::Unknown { what: "bool", tag }),
        }
    }

    /// A list; it grows with what is really there, and an item takes at least one byte.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.length()?;
        if count > MAX_ITEMS {
            return Err(CodecError::TooMany { count });
        }
        if count > self.0.len() {
            return Err(CodecError::Truncated { missing: count - self.0.len() });
        }
        (0..count).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_payload_are_refused() {
        assert_eq!(
            Reader::new(&[0xff; 4]).bytes(),
            Err(CodecError::Truncated { missing: u32::MAX as usize })
        );
        assert_eq!(
            Reader::new(&[2, 0, 0, 0, 7]).bytes(),
            Err(CodecError::Truncated { missing: 1 })
        );
        assert_eq!(Reader::new(&[2, 0]).u32(), Err(CodecError::Truncated { missing: 2 }));
        assert_eq!(
            Reader::new(&[0xff; 9]).list(Reader::u8),
            Err(CodecError::TooMany { count: u32::MAX as usize })
        );
        assert_eq!(
            Reader::new(&[9, 0, 0, 0, 1]).list(Reader::u8),
            Err(CodecError::Truncated { missing: 8 })
        );
    }

    #[test]
    fn strings_are_utf8_and_those_for_c_hold_no_nul() {
        assert_eq!(Reader::new(&[1, 0, 0, 0, 0xff]).text(), Err(CodecError::Text));
        assert_eq!(Reader::new(&[1, 0, 0, 0, 0]).text(), Ok("\0".into()));
        assert_eq!(Reader::new(&[1, 0, 0, 0, 0]).c_text(), Err(CodecError::Text));
    }

    #[test]
    fn a_payload_is_used_up_exactly() {
        assert_eq!(Reader::whole(&[], Reader::u8), Err(CodecError::Empty));
        assert_eq!(Reader::whole(&[1], Reader::u8), Ok(1));
        assert_eq!(Reader::whole(&[1, 2, 3], Reader::u8), Err(CodecError::Trailing { extra: 2 }));
    }
}
