//! Request lines, hosts, names and values: what is refused, with which status.

use super::Stage;

/// Whole heads; a Host is there unless it is the point.
const LINES: &[(u16, &str)] = &[
    (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    (405, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "OPTIONS /* HTTP/1.2\r\nHost: a\r\n\r\n"),
    (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET javascript:x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET ?x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET #x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a#@b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{b}HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    (400, "GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/3\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP /1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / ICY/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\r\n\r\n"),
    (400, "GET\r\n\r\n"),
    (400, "/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{0} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /?\u{0} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /?\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /?\u{ff}\u{fe} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /<x> HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G\u{0}T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G\"T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET: / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\rHost: a\r\r"),
    (400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    (400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}"),
    (400, "PRI * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
];

const HOSTS: &[(u16, &str)] = &[
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: \t \r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a;b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: <a>\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a: 80\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a%00b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1]:x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1%eth0]\r\n\r\n"),
];

const FIELDS: &[(u16, &str)] = &[
    (400, "X : b"),
    (400, "X\t: b"),
    (400, "X"),
    (400, ": b"),
    (400, " : b"),
    (400, " X: b"),
    (400, "X Y: b"),
    (400, "X(Y: b"),
    (400, "X\"Y: b"),
    (400, "X[Y]: b"),
    (400, "X/Y: b"),
    (400, "X@Y: b"),
    (400, "X{Y: b"),
    (400, "X\\Y: b"),
    (400, "X\u{0}: b"),
    (400, "X\u{1}Y: b"),
    (400, "X\u{7f}: b"),
    (400, "X\u{e9}: b"),
    (400, "\u{b}X: b"),
    (400, "X: b\r\n c"),
    (400, "X: b\r\n\tc"),
    (400, "X: b\r\n \r\nY: c"),
    (400, "X:\r\n b"),
    (400, "X: b\u{0}c"),
    (400, "X: \u{0}"),
    (400, "X: b\u{1}c"),
    (400, "X: b\u{8}c"),
    (400, "X: b\u{b}c"),
    (400, "X: b\u{c}c"),
    (400, "X: b\u{1b}c"),
    (400, "X: b\u{1f}c"),
    (400, "X: b\u{7f}c"),
    (400, "X: b\rc"),
    (400, "X: b\r"),
    (400, "X: b\nY: c"),
    (400, "X: b\n c"),
    (400, "X: b\r\r"),
    (417, "Expect: tea"),
    (417, "Expect: 100-continue, tea"),
    (417, "Expect: 100-continue\r\nExpect: tea"),
    (417, "Expect: 100-continued"),
    (417, "Expect: 100-continue; a=b"),
    (417, "Expect:"),
];

#[test]
fn a_malformed_request_line_is_refused() {
    let stage = Stage::new();
    for (status, request) in LINES {
        stage.refuses(*status, request);
    }
}

#[test]
fn a_host_that_is_none_is_refused() {
    let stage = Stage::new();
    for (status, request) in HOSTS {
        stage.refuses(*status, request);
    }
}

#[test]
fn a_malformed_header_is_refused_wherever_it_stands() {
    let stage = Stage::new();
    for (status, field) in FIELDS {
        stage.refuses(*status, &format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"));
        stage.refuses(*status, &format!("GET / HTTP/1.1\r\n{field}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn what_follows_a_refusal_is_not_looked_at() {
    let stage = Stage::new();
    for (status, request) in LINES.iter().chain(HOSTS) {
        stage.refuses(*status, &format!("{request}GET /second HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn a_head_beyond_its_limits_is_refused() {
    let stage = Stage::with("max_header_size = \"16KiB\"");
    let huge = "x".repeat(17 * 1024);
    let many = "X: y\r\n".repeat(100);
    let rows = [
        format!("GET /{huge} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {huge}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{huge}: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        format!("{huge} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        huge,
    ];
    for row in rows {
        stage.refuses(431, &row);
    }
    // As large as allowed.
    let most = "X: y\r\n".repeat(98);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "x".repeat(14 * 1024));
    assert_eq!(stage.passes(&head, "").all("x")[0].len(), 14 * 1024);
    stage.passes(&format!("GET / HTTP/1.1\r\nHost: a\r\n{most}"), "");
}

#[test]
fn a_target_longer_than_any_is_refused_whatever_a_head_may_be() {
    let stage = Stage::with("max_header_size = \"256KiB\"");
    for length in [65_535, 70_000, 200_000] {
        stage.refuses(431, &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length)));
    }
    let name = "x".repeat(70_000);
    stage.refuses(431, &format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: y\r\n\r\n"));
}
