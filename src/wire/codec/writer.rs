//! Appends one frame to a buffer.

use super::HEADER;

/// A frame being written; its length is filled in by [`frame`].
pub(super) struct Writer<'a>(&'a mut Vec<u8>);

/// Appends a whole frame of `kind`.
pub(super) fn frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    out.push(kind);
    body(&mut Writer(out));
    let length = length(out.len() - start - HEADER);
    if let Some(header) = out.get_mut(start..start + HEADER) {
        header.copy_from_slice(&length.to_le_bytes());
    }
}

/// Beyond 4 GiB a length saturates, and every receiver's cap refuses it.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl<'a> Writer<'a> {
    /// Of a part of a frame.
    pub(super) fn of(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.u32(length(value.len()));
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.u8(value.into());
    }

    /// A flag, and the item where there is one.
    pub(super) fn maybe<T>(&mut self, item: Option<&T>, put: impl FnOnce(&mut Self, &T)) {
        self.flag(item.is_some());
        if let Some(item) = item {
            put(self, item);
        }
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.u32(length(items.len()));
        for each in items {
            item(self, each);
        }
    }
}
