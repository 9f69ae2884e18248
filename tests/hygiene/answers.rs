//! What upstreams may answer.

use crate::support::http;
use crate::support::{Answer, Cofferdam, Upstream};

fn answered(raw: &str) -> http::Response {
    let upstream = Upstream::builder().fallback(Answer::raw(raw)).start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    cofferdam.get("/")
}

#[test]
fn an_answer_with_two_readings_is_a_502() {
    let refused = [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "nonsense\r\n\r\n",
        "",
    ];
    for raw in refused {
        let answer = answered(raw);
        assert_eq!(answer.status, 502, "{raw:?}");
        assert_eq!(answer.reason(), "upstream_reset", "{raw:?}");
    }
}

#[test]
fn a_length_beside_chunked_is_dropped() {
    let answer = answered(
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n\r\n",
    );
    assert_eq!((answer.status, answer.text().as_str()), (200, "up"));
    assert_ne!(answer.header("content-length"), Some("99"));
}
