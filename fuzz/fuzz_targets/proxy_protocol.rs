//! Any first bytes of a connection: a header is found where it ends and nowhere before, or it is refused and stays so.
//! `cargo fuzz run proxy_protocol fuzz/corpus/proxy_protocol fuzz/seeds/proxy_protocol`

#![no_main]

use cofferdam::server::proxy_protocol::{MOST, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    let bound = match whole {
        Ok(Some(header)) => header.length,
        _ => bytes.len(),
    };
    assert!(bound <= bytes.len());
    for length in 0..bound {
        match read(&bytes[..length]) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("a header of {length} bytes in one of {bound}"),
            Err(_) => assert!(whole.is_err()),
        }
    }
    match whole {
        Ok(Some(header)) => {
            assert!(header.length <= MOST);
            assert_eq!(read(&bytes[..header.length]), whole);
        }
        Ok(None) => assert!(bytes.len() < MOST),
        Err(_) => assert!(read(&[bytes, b"\r\n"].concat()).is_err()),
    }
});
