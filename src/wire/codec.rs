//! Frames as bytes, by hand: a worker pays for every dependency at each start.
//! All integers are little-endian. A decoder takes one whole payload (kind byte and body, no length) and believes nothing in it.

mod callee;
mod confinement;
mod fault;
mod from_worker;
mod reader;
mod to_worker;
mod value;
mod writer;

pub use fault::{FAULT_HEAD, FAULT_TAIL, encode_fault, encode_modules};
pub use from_worker::{decode_from_worker, encode_chunk, encode_from_worker};
pub use to_worker::{decode_to_worker, encode_body, encode_to_worker, hello_version};

/// Items in one list of a frame: no prototype, request head or path has as many.
pub const MAX_ITEMS: usize = 4096;

/// Bytes of a frame's length prefix.
pub const HEADER: usize = 4;

/// Why bytes are not a frame. The sender is broken, hostile, or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The length prefix is beyond what the receiver allows.
    #[error("a frame of {length} bytes is announced, at most {cap} are allowed")]
    TooLong {
        /// As announced.
        length: usize,
        /// The receiver's limit.
        cap: usize,
    },
    /// A frame without even a kind byte.
    #[error("an empty frame")]
    Empty,
    /// The payload ends before its content does.
    #[error("a frame ends {missing} bytes early")]
    Truncated {
        /// Bytes that should have followed, at least.
        missing: usize,
    },
    /// The payload goes on after its content.
    #[error("a frame has {extra} bytes too many")]
    Trailing {
        /// Bytes left over.
        extra: usize,
    },
    /// A kind byte or tag that this version does not know.
    #[error("unknown {what} {tag:#04x} in a frame")]
    Unknown {
        /// What the tag selects.
        what: &'static str,
        /// As received.
        tag: u8,
    },
    /// More than a frame of its kind may hold: items of a list, or bytes.
    #[error("{count} items in one list of a frame are too many")]
    TooMany {
        /// As announced.
        count: usize,
    },
    /// A string that is not UTF-8, or holds a NUL where C will read it.
    #[error("a string in a frame is not UTF-8, or holds a NUL")]
    Text,
}

/// The payload length that `header` announces, checked against `cap` so that the caller may allocate it.
///
/// # Errors
/// [`CodecError::TooLong`] beyond `cap`, [`CodecError::Empty`] for 0.
pub fn frame_len(header: [u8; HEADER], cap: usize) -> Result<usize, CodecError> {
    match usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX) {
        0 => Err(CodecError::Empty),
        length if length > cap => Err(CodecError::TooLong { length, cap }),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_capped_before_anything_is_allocated() {
        let cases = [
            (0, 10, Err(CodecError::Empty)),
            (1, 10, Ok(1)),
            (10, 10, Ok(10)),
            (11, 10, Err(CodecError::TooLong { length: 11, cap: 10 })),
            (u32::MAX, 10, Err(CodecError::TooLong { length: u32::MAX as usize, cap: 10 })),
        ];
        for (length, cap, expected) in cases {
            assert_eq!(frame_len(u32::to_le_bytes(length), cap), expected, "{length} of {cap}");
        }
    }
}
