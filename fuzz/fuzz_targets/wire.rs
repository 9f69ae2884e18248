//! Any payload either way: it is refused, or it is one message that encodes to the same bytes again.
//! `cargo fuzz run wire -- -malloc_limit_mb=64`

#![no_main]

use cofferdam::wire::codec::{
    decode_from_worker, decode_to_worker, encode_from_worker, encode_to_worker,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let mut again = Vec::new();
    if let Ok(message) = decode_from_worker(payload) {
        encode_from_worker(&message, &mut again);
        assert_eq!(&again[4..], payload);
    }
    again.clear();
    if let Ok(message) = decode_to_worker(payload) {
        encode_to_worker(&message, &mut again);
        assert_eq!(&again[4..], payload);
    }
});
