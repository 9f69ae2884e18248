//! An upstream that keeps every byte, and reads requests as strictly as can be: what two readers could understand
//! differently is a fault. It answers each whole request with its own method and target.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::wait::PATIENCE;

/// A whole request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }
}

/// What came, of all connections.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub requests: Vec<Request>,
    pub bytes: Vec<u8>,
    pub faults: Vec<String>,
    /// Connections that are open.
    pub open: usize,
}

/// Listens until it is dropped.
pub struct Tap {
    address: SocketAddr,
    shared: Arc<(Mutex<Seen>, Condvar)>,
}

impl Tap {
    /// On a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(shared) = weak.upgrade() else { return };
                std::thread::spawn(move || follow(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// As a configuration says it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All so far.
    pub fn seen(&self) -> Seen {
        self.shared.0.lock().unwrap().clone()
    }

    /// Forgets what came.
    pub fn forget(&self) {
        let mut seen = self.shared.0.lock().unwrap();
        *seen = Seen { open: seen.open, ..Seen::default() };
    }

    /// The first `count` requests, once they have come; none may have a fault.
    #[track_caller]
    pub fn requests(&self, count: usize) -> Vec<Request> {
        let seen = self.shared.0.lock().unwrap();
        let few = |seen: &mut Seen| seen.requests.len() < count && seen.faults.is_empty();
        let (seen, _) = self.shared.1.wait_timeout_while(seen, PATIENCE, few).unwrap();
        assert_eq!(seen.faults, Vec::<String>::new());
        assert!(seen.requests.len() >= count, "only {:?} came", seen.requests);
        seen.requests[..count].to_vec()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared = Arc::default();
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

fn follow(mut stream: TcpStream, shared: &(Mutex<Seen>, Condvar)) {
    shared.0.lock().unwrap().open += 1;
    let mut unread = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        unread.extend_from_slice(&piece[..count]);
        shared.0.lock().unwrap().bytes.extend_from_slice(&piece[..count]);
        loop {
            match read(&unread) {
                Ok(None) => break,
                Ok(Some((request, used))) => {
                    unread.drain(..used);
                    let answer = answer(&request);
                    shared.0.lock().unwrap().requests.push(request);
                    shared.1.notify_all();
                    let _proxy_left = stream.write_all(&answer);
                }
                Err(fault) => {
                    let told = format!("{fault}: {:?}", String::from_utf8_lossy(&unread));
                    shared.0.lock().unwrap().faults.push(told);
                    shared.1.notify_all();
                    unread.clear();
                }
            }
        }
    }
    shared.0.lock().unwrap().open -= 1;
    shared.1.notify_all();
}

fn answer(request: &Request) -> Vec<u8> {
    let body = format!("{} {}", request.method, request.target);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    if request.method == "HEAD" { head } else { head + &body }.into_bytes()
}

/// What belongs to the client's connection, or is the client's word about itself.
const FORBIDDEN: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "proxy-authorization",
    "proxy-authenticate",
    "expect",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "proxy",
];

/// The first request and its length; `None`: it is not whole.
fn read(bytes: &[u8]) -> Result<Option<(Request, usize)>, &'static str> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Err("a line that ends in CR or LF alone");
    }
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("the request line") };
    check_target(method, target)?;
    let headers: Vec<_> = lines.map(header).collect::<Result<_, _>>()?;
    let all = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    };
    if FORBIDDEN.iter().any(|name| !all(name).is_empty()) {
        return Err("a header that must not pass");
    }
    let hosts = all("host");
    if hosts.len() != 1 || hosts[0].contains([' ', ',', '/', '@', '?', '#', '\\']) {
        return Err("not one Host");
    }
    let rest = &bytes[end + 4..];
    let body = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Some((Vec::new(), 0)),
        ([length], []) => sized(rest, length)?,
        ([], ["chunked"]) => chunked(rest)?,
        _ => return Err("the framing"),
    };
    let Some((body, used)) = body else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Some((Request { method, target, headers, body }, end + 4 + used)))
}

fn check_target(method: &str, target: &str) -> Result<(), &'static str> {
    let path = target.split('?').next().unwrap_or_default();
    let is_asterisk = method == "OPTIONS" && target == "*";
    let is_plain = path.starts_with('/') && !path.contains("//") && !path.contains('\\');
    let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    let is_method = method.bytes().all(|byte| byte.is_ascii_graphic());
    match is_method && (is_asterisk || is_plain) && !has_dots && !target.contains('#') {
        true => Ok(()),
        false => Err("the target"),
    }
}

fn header(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a header's name");
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err("a header's value");
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

type Body = Option<(Vec<u8>, usize)>;

fn sized(rest: &[u8], length: &str) -> Result<Body, &'static str> {
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: usize = length.parse().ok().filter(|_| is_number).ok_or("Content-Length")?;
    Ok(rest.get(..length).map(|body| (body.to_vec(), length)))
}

/// Neither extensions nor trailers.
fn chunked(rest: &[u8]) -> Result<Body, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = rest[at..].windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let size = str::from_utf8(&rest[at..at + line]).map_err(|_| "a chunk's size")?;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a chunk's size");
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| "a chunk's size")?;
        at += line + 2;
        let Some(data) = rest.get(at..at + size + 2) else { return Ok(None) };
        if &data[size..] != b"\r\n" {
            return Err("a chunk's end, or a trailer");
        }
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[test]
fn it_reads_strictly() {
    let rows = [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Ok(Some(27))),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nabc", Ok(Some(49))),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Ok(Some(61))),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na", Ok(None)),
        ("GET / HTTP/1.1\r\n\r\n", Err(())),
        ("GET //x HTTP/1.1\r\nhost: a\r\n\r\n", Err(())),
        ("GET /../x HTTP/1.1\r\nhost: a\r\n\r\n", Err(())),
        ("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n", Err(())),
        ("GET / HTTP/1.1\r\nhost: a\r\na_b: c\r\n\r\n", Err(())),
        ("GET / HTTP/1.1\nhost: a\r\n\r\n", Err(())),
        ("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n", Err(())),
        (
            "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n",
            Err(()),
        ),
    ];
    for (text, expected) in rows {
        let told = read(text.as_bytes()).map(|it| it.map(|(_, used)| used)).map_err(|_| ());
        assert_eq!(told, expected, "{text:?}");
    }
}
