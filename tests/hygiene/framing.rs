//! Content-Length and Transfer-Encoding: one framing or none.

use super::Stage;

const REFUSED: &[(u16, &str)] = &[
    (400, "Content-Length:"),
    (400, "Content-Length: x"),
    (400, "Content-Length: -1"),
    (400, "Content-Length: +5"),
    (400, "Content-Length: 5 5"),
    (400, "Content-Length: 5, 5"),
    (400, "Content-Length: 5,5"),
    (400, "Content-Length: 5, 6"),
    (400, "Content-Length: ,5"),
    (400, "Content-Length: 5;"),
    (400, "Content-Length: 5.0"),
    (400, "Content-Length: 5e0"),
    (400, "Content-Length: 0x5"),
    (400, "Content-Length: 5h"),
    (400, "Content-Length: \"5\""),
    (400, "Content-Length: 1_0"),
    (400, "Content-Length: \u{b2}"),
    (400, "Content-Length: 5\u{a0}"),
    (400, "Content-Length: 18446744073709551616"),
    (400, "Content-Length: 18446744073709551621"),
    (400, "Content-Length: 99999999999999999999999999999999"),
    (400, "Content-Length: 5\r\nContent-Length: 5"),
    (400, "Content-Length: 5\r\nContent-Length: 6"),
    (400, "Content-Length: 0\r\nContent-Length: 5"),
    (400, "Content-Length: 5\r\nContent-Length:"),
    (400, "Content-Length: 5\r\ncontent-length: 05"),
    (400, "Content-Length : 5"),
    (400, "Content-Length\t: 5"),
    (400, " Content-Length: 5"),
    (400, "Content-Length: 5\r\n 6"),
    (400, "Content-Length:\r\n 5"),
    (400, "Content-Length\u{0}: 5"),
    (400, "X: y\rContent-Length: 5"),
    (400, "X: y\nContent-Length: 5"),
    (400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    (400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    (400, "Transfer-Encoding: chunked\r\nContent-Length: 0"),
    (400, "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5"),
    (400, "Transfer-Encoding : chunked"),
    (400, "Transfer-Encoding\t: chunked"),
    (400, " Transfer-Encoding: chunked"),
    (400, "\tTransfer-Encoding: chunked"),
    (400, "Transfer-Encoding:\r\n chunked"),
    (400, "Transfer-Encoding:\r\n\tchunked"),
    (400, "Transfer-Encoding: chunked\r\n , identity"),
    (400, "Transfer-Encoding: chunked\u{0}"),
    (400, "Transfer-Encoding: \u{b}chunked"),
    (400, "Transfer-Encoding: chunked\u{c}"),
    (400, "Transfer-Encoding: chun\rked"),
    (400, "X: y\nTransfer-Encoding: chunked"),
    (400, "X: y\rTransfer-Encoding: chunked"),
    (400, "Transfer\u{0}Encoding: chunked"),
    (400, "Transfer Encoding: chunked"),
    (501, "Transfer-Encoding:"),
    (501, "Transfer-Encoding: gzip"),
    (501, "Transfer-Encoding: identity"),
    (501, "Transfer-Encoding: xchunked"),
    (501, "Transfer-Encoding: chunkedx"),
    (501, "Transfer-Encoding: chunk"),
    (501, "Transfer-Encoding: cow"),
    (501, "Transfer-Encoding: gzip, chunked"),
    (501, "Transfer-Encoding: chunked, gzip"),
    (501, "Transfer-Encoding: chunked, identity"),
    (501, "Transfer-Encoding: identity, chunked"),
    (501, "Transfer-Encoding: chunked, chunked"),
    (501, "Transfer-Encoding: chunked,"),
    (501, "Transfer-Encoding: ,chunked"),
    (501, "Transfer-Encoding: , chunked"),
    (501, "Transfer-Encoding: chunked;q=1"),
    (501, "Transfer-Encoding: \"chunked\""),
    (501, "Transfer-Encoding: 'chunked'"),
    (501, "Transfer-Encoding: chunked x"),
    (501, "Transfer-Encoding: \u{ff}chunked"),
    (501, "Transfer-Encoding: chunked\u{a0}"),
    (501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    (501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    (501, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    (501, "Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
    (501, "Transfer-Encoding:\r\nTransfer-Encoding: chunked"),
    (501, "Transfer-Encoding: chunked\r\ntransfer-encoding: cow"),
];

/// Read either way, what follows the head is a request to those who see no body.
const BODY: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_framing_with_two_readings_is_refused() {
    let stage = Stage::new();
    for method in ["POST", "GET"] {
        for (status, framing) in REFUSED {
            let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
            stage.refuses(*status, &format!("{head}{BODY}"));
        }
    }
}

#[test]
fn transfer_encoding_is_refused_on_http_1_0() {
    let stage = Stage::new();
    for (status, framing) in [
        (400, "Transfer-Encoding: chunked"),
        (501, "Transfer-Encoding: identity"),
        (400, "Connection: keep-alive\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    ] {
        let head = format!("POST / HTTP/1.0\r\nHost: a\r\n{framing}\r\n\r\n");
        stage.refuses(status, &format!("{head}{BODY}"));
    }
}

#[test]
fn a_clear_framing_passes() {
    let stage = Stage::new();
    let rows = [
        ("POST", "", "", None),
        ("POST", "Content-Length: 5\r\n", "hello", Some("5")),
        ("GET", "Content-Length: 5\r\n", "hello", Some("5")),
        ("DELETE", "Content-Length: 5\r\n", "hello", Some("5")),
        ("POST", "Content-Length:5\r\n", "hello", Some("5")),
        ("POST", "CONTENT-LENGTH: \t5 \t\r\n", "hello", Some("5")),
        ("POST", "Content-Length: 005\r\n", "hello", None),
        ("POST", "Content-Length: 0\r\n", "", Some("0")),
    ];
    for (method, framing, body, length) in rows {
        let head = format!("{method} /x HTTP/1.1\r\nHost: a\r\n{framing}");
        let seen = stage.passes(&head, body);
        assert_eq!(seen.body, body.as_bytes(), "{framing:?}");
        assert!(seen.all("transfer-encoding").is_empty(), "{framing:?}");
        if let Some(length) = length {
            assert_eq!(seen.all("content-length"), [length], "{framing:?}");
        }
    }
    for coding in ["chunked", "Chunked", "CHUNKED", " chunked\t "] {
        let head = format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n");
        let seen = stage.passes(&head, "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(seen.body, b"hello", "{coding:?}");
        assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
    }
}

#[test]
fn names_that_only_look_like_framing_mean_nothing() {
    let stage = Stage::new();
    for field in ["Content_Length: 5", "Transfer_Encoding: chunked", "X-Transfer-Encoding: chunked"]
    {
        let head = format!("POST /x HTTP/1.1\r\nHost: a\r\n{field}\r\n");
        let seen = stage.passes(&head, "");
        assert_eq!(seen.body, b"");
        let name = field.split(':').next().unwrap();
        assert_eq!(seen.all(name).len(), usize::from(name.starts_with('X')), "{field}");
    }
}
