//! Clients that ask and do not read.

use std::io::Read;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::limited;
use crate::support::http::{Connection, encode};
use crate::support::place::Stream;
use crate::support::{Answer, Upstream};

const SOON: Duration = Duration::from_secs(10);
/// More than all buffers on the way hold.
const LARGE: usize = 32 << 20;

#[test]
fn a_client_that_takes_nothing_is_cut_off_and_its_upstream_is_let_go() {
    let upstream = Upstream::builder().fallback(Answer::ok(vec![b'x'; LARGE])).start();
    let cofferdam = limited(&upstream.url(), "send_timeout = \"300ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let begun = Instant::now();
    let errors =
        |reason| cofferdam.metric("cofferdam_connection_errors_total", &[("reason", reason)]);
    eventually!(within SOON; errors("send_timeout") == 1.0);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]), |open| *open == 0.0);
    let aborted = [("route", "upstream"), ("stage", "response")];
    eventually!(cofferdam.metric("cofferdam_http_requests_aborted_total", &aborted) == 1.0);
    assert_eq!(errors("reset"), 0.0);
}

/// For longer than the limit, but it never takes nothing for so long.
#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    let upstream = Upstream::builder().fallback(Answer::ok(vec![b'x'; 16 << 20])).start();
    let cofferdam = limited(&upstream.url(), "send_timeout = \"1500ms\"");
    let mut client = cofferdam.place("http").connect(SOON).unwrap();
    let Stream::Tcp(socket) = &client else { panic!("not TCP") };
    set_socket_recv_buffer_size(socket, 64 << 10).unwrap();
    std::io::Write::write_all(&mut client, &encode("GET", "/", &[("connection", "close")], b""))
        .unwrap();
    let (mut read, mut piece) = (0, vec![0; 512 << 10]);
    loop {
        let count = client.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        if read / (512 << 10) != (read + count) / (512 << 10) {
            crate::support::wait::pause(Duration::from_millis(100));
        }
        read += count;
    }
    assert!(read > 16 << 20, "{read} bytes came");
}
