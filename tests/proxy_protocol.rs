//! The PROXY protocol on a listener: the client that its header names is the client, and without one there is none.

use std::time::{Duration, Instant};

use crate::support::http::{Connection, encode};
use crate::support::https::session;
use crate::support::wait::pause;
use crate::support::{Answer, Authority, Cofferdam, Http2, Place, Trust, Upstream, quiet};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 10.0.0.7 127.0.0.1 8080 80\r\n";

fn upstream() -> Upstream {
    Upstream::builder().fallback(Answer::ok("made")).start()
}

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, payload].concat()
}

/// A proxy to `upstream` that wants a header; `server` goes under `[server]`, `listener` under the listener.
fn start(upstream: &Upstream, server: &str, listener: &str) -> Cofferdam {
    Cofferdam::builder()
        .config(&format!(
            "upstream = \"{}\"\n[server]\n{server}\n[[server.listeners]]\nname = \"balanced\"\n\
             proxy_protocol = true\n{listener}\n",
            upstream.url()
        ))
        .start()
}

#[track_caller]
fn errors(cofferdam: &Cofferdam, reason: &str) -> f64 {
    cofferdam.metric("cofferdam_connection_errors_total", &[("reason", reason)])
}

const ADDRESS: &str = "address = \"127.0.0.1:0\"";

#[test]
fn the_header_names_the_client() {
    let upstream = upstream();
    let cofferdam = start(&upstream, "", ADDRESS);
    let ipv4 = [10, 0, 0, 8, 127, 0, 0, 1, 0x1f, 0x90, 0, 80];
    let ipv6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 15], &[1], &[0, 1, 0, 2]].concat();
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (V1.to_vec(), "10.0.0.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:10.0.0.7 ::1 1 2\r\n".to_vec(), "10.0.0.7"),
        (b"PROXY UNKNOWN and more\r\n".to_vec(), "127.0.0.1"),
        (v2(0x21, 0x11, &ipv4), "10.0.0.8"),
        (v2(0x21, 0x11, &[&ipv4[..], b"\x04\0\x02ab"].concat()), "10.0.0.8"),
        (v2(0x21, 0x21, &ipv6), "2001:db8::1"),
        (v2(0x20, 0x00, b""), "127.0.0.1"),
        (v2(0x20, 0x11, &ipv4), "127.0.0.1"),
        (v2(0x21, 0x31, &[0; 216]), "127.0.0.1"),
    ];
    for (index, (header, address)) in rows.iter().enumerate() {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&[header, &encode("GET", "/", &[], b"")[..]].concat()).unwrap();
        assert_eq!(client.response("GET").unwrap().text(), "made", "{header:?}");
        // It names the client of the whole connection.
        assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made", "{header:?}");
        for seen in &upstream.wait_for(2 * index + 2)[2 * index..] {
            assert_eq!(seen.header_all("x-forwarded-for"), [*address], "{header:?}");
            assert_eq!(seen.header_all("x-forwarded-proto"), ["http"]);
        }
    }
    assert_eq!(errors(&cofferdam, "proxy_protocol"), 0.0);
}

#[test]
fn a_header_may_come_in_pieces() {
    let upstream = upstream();
    let cofferdam = start(&upstream, "", ADDRESS);
    let large = v2(0x21, 0x11, &[&[10, 0, 0, 7][..], &[0; 4092]].concat());
    for header in [V1, &large] {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        for piece in header.chunks(header.len().div_ceil(7)) {
            client.send(piece).unwrap();
            pause(Duration::from_millis(5));
        }
        assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
    }
    assert!(upstream.wait_for(2).iter().all(|s| s.header_all("x-forwarded-for") == ["10.0.0.7"]));
}

#[test]
fn without_a_good_header_there_is_no_answer() {
    let upstream = upstream();
    let cofferdam = start(&upstream, "", ADDRESS);
    let rows: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"PROXY TCP4 10.0.0.7 127.0.0.1 8080\r\n".to_vec(),
        b"PROXY TCP4 10.0.0.7 127.0.0.1 8080 99999\r\n".to_vec(),
        b"PROXY TCP4 10.0.0.7 127.0.0.1 8080 80\n".to_vec(),
        [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(),
        v2(0x21, 0x11, &[1; 11]),
        v2(0x11, 0x11, &[1; 12]),
        v2(0x21, 0x41, &[1; 12]),
        v2(0x20, 0x00, &[0; 5000]),
    ];
    for (index, header) in rows.iter().enumerate() {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&[header, &encode("GET", "/", &[], b"")[..]].concat()).unwrap();
        assert_eq!(client.rest().unwrap_or_default(), b"", "{header:?}");
        eventually!(errors(&cofferdam, "proxy_protocol"), |n| *n == index as f64 + 1.0);
    }
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&V1[..20]).unwrap();
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"");
    eventually!(errors(&cofferdam, "proxy_protocol"), |n| *n == rows.len() as f64 + 1.0);
    assert_eq!(upstream.requests().len(), 0);
    // A health check that only connects is no failure.
    drop(Connection::open(cofferdam.addr()).unwrap());
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]) == 0.0);
    assert_eq!(errors(&cofferdam, "proxy_protocol"), rows.len() as f64 + 1.0);
}

#[test]
fn a_slow_header_is_given_up() {
    let _alone = quiet::alone();
    let upstream = upstream();
    let cofferdam = start(&upstream, "header_timeout = \"300ms\"", ADDRESS);
    for begun in [&b""[..], &V1[..20], &V2[..5]] {
        let start = Instant::now();
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(begun).unwrap();
        assert_eq!(client.rest().unwrap(), b"");
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(300) && elapsed < Duration::from_secs(5));
    }
    eventually!(errors(&cofferdam, "head_timeout") == 3.0);
}

#[test]
fn it_comes_before_tls() {
    let (authority, upstream) = (Authority::new(), upstream());
    let pair = authority.issue();
    let cofferdam = Cofferdam::builder()
        .config(&format!(
            "upstream = \"{}\"\n[[server.listeners]]\nname = \"balanced\"\n{ADDRESS}\nproxy_protocol = true\n\
             tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }}\n",
            upstream.url()
        ))
        .file("cert.pem", &pair.certificate)
        .file("key.pem", &pair.key)
        .start();
    let trust = Trust::of(&authority).asking(&["http/1.1"]);
    let mut client = trust.open_after(cofferdam.addr(), V1).unwrap();
    assert_eq!(session(&client).alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
    let seen = upstream.wait_for(1).remove(0);
    assert_eq!(seen.header_all("x-forwarded-for"), ["10.0.0.7"]);
    assert_eq!(seen.header_all("x-forwarded-proto"), ["https"]);
    assert!(trust.open(cofferdam.addr()).is_err());
    eventually!(errors(&cofferdam, "proxy_protocol") == 1.0);
    let mut plain = Connection::open(cofferdam.addr()).unwrap();
    plain.send(V1).unwrap();
    assert_eq!(plain.request("GET", "/", &[], b"").unwrap().status, 400);
}

#[test]
fn it_comes_before_http_2_and_over_a_unix_socket() {
    let upstream = upstream();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let cofferdam = start(&upstream, "", &format!("address = \"unix:{}\"", socket.display()));
    let mut client = Connection::open(Place::Unix(socket)).unwrap();
    client.send(V1).unwrap();
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
    assert_eq!(upstream.wait_for(1)[0].header_all("x-forwarded-for"), ["10.0.0.7"]);
    drop(cofferdam);
    let cofferdam = start(&upstream, "", ADDRESS);
    let client = Http2::open_after(cofferdam.addr(), V1);
    assert_eq!(client.send(Http2::request("GET", "http://a/", b"")).text(), "made");
    assert_eq!(upstream.wait_for(2)[1].header_all("x-forwarded-for"), ["10.0.0.7"]);
}

#[test]
fn who_is_trusted_is_asked_with_the_address_in_the_header() {
    let upstream = upstream();
    for (trusted, expected) in
        [("10.0.0.0/8", &["6.6.6.6", "10.0.0.7"][..]), ("127.0.0.1", &["10.0.0.7"])]
    {
        let before = upstream.requests().len();
        let cofferdam = start(&upstream, &format!("trusted_proxies = [\"{trusted}\"]"), ADDRESS);
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(V1).unwrap();
        let forwarded = [("x-forwarded-for", "6.6.6.6")];
        assert_eq!(client.request("GET", "/", &forwarded, b"").unwrap().text(), "made");
        let seen = upstream.wait_for(before + 1).remove(before);
        let list = seen.header_all("x-forwarded-for").join(", ");
        assert_eq!(list.split(", ").collect::<Vec<_>>(), expected, "{trusted}");
    }
}

#[test]
fn a_listener_without_it_takes_none() {
    let upstream = upstream();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(V1).unwrap();
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 400);
    assert_eq!(upstream.requests().len(), 0);
}
