//! A blocking HTTP/1.1 client: one keep-alive connection on a thread of its own takes less from the machine that
//! it measures than a runtime would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cofferdam::app::demo::spread::Spread;

/// A thread's stack: a thousand of them are started at once.
const STACK: usize = 128 * 1024;
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, answer: Vec::with_capacity(4096) }
    }

    /// `GET path`: the status, and the body as text.
    pub fn get(&mut self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        self.answer.clear();
        let body = loop {
            self.read_more();
            if let Some(at) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.answer[..body]).to_ascii_lowercase();
        let length = head.split_once("\r\ncontent-length:").map_or("0", |(_, rest)| rest);
        let length: usize = length.split("\r\n").next().unwrap().trim().parse().unwrap();
        while self.answer.len() < body + length {
            self.read_more();
        }
        let status = head[9..12].parse().unwrap();
        (status, String::from_utf8_lossy(&self.answer[body..]).into_owned())
    }

    fn read_more(&mut self) {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the connection ended in the middle of an answer");
        self.answer.extend_from_slice(&buffer[..read]);
    }
}

/// That [`drive`] opens.
pub const CONNECTIONS: u32 = 16;

/// Each path at `rate` requests a second, evenly spaced, whatever the answers do; `is_right` sees their status and body. One
/// path and the other in turn, and each connection carries both.
pub fn drive(
    address: SocketAddr,
    paths: [&'static str; 2],
    rate: u32,
    seconds: u32,
    is_right: fn(u16, &str) -> bool,
) -> [Spread; 2] {
    let requests = rate * seconds * 2;
    let gap = Duration::from_secs(1) / (rate * 2);
    let begin = Instant::now() + Duration::from_millis(100);
    let clients = at_once(CONNECTIONS as usize, move |client| {
        let mut connection = Connection::open(address);
        let mine = (client as u32..requests).step_by(CONNECTIONS as usize);
        let ask = |request: u32| {
            let path = ((request + request / CONNECTIONS) % 2) as usize;
            let begun = wait_until(begin + gap * request);
            let (status, body) = connection.get(paths[path]);
            let taken = begun.elapsed();
            assert!(is_right(status, &body), "{}: {status} {body}", paths[path]);
            (path, taken)
        };
        mine.map(ask).collect::<Vec<_>>()
    });
    let taken: Vec<(usize, Duration)> = clients().into_iter().flatten().collect();
    [0, 1].map(|path| {
        let of_path = taken.iter().filter(|(of, _)| *of == path);
        Spread::of(of_path.map(|(_, taken)| *taken).collect()).unwrap()
    })
}

/// `GET path` by `clients` that each ask again as soon as they have their answer, which must be a 200.
pub fn flood(address: SocketAddr, path: &'static str, clients: usize, seconds: u32) -> Spread {
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let taken = at_once(clients, move |_| {
        let mut connection = Connection::open(address);
        let mut taken = Vec::new();
        while Instant::now() < end {
            let begun = Instant::now();
            let (status, body) = connection.get(path);
            assert_eq!(status, 200, "{body}");
            taken.push(begun.elapsed());
        }
        taken
    });
    Spread::of(taken().concat()).unwrap()
}

/// The body of one `GET` on a connection of its own.
pub fn fetch(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until `due`, if that is still to come, and says from when an answer is late: requests that could not be sent in
/// time, because the one before was slow, count from when they were due.
#[allow(clippy::disallowed_methods, reason = "a thread of the client's own, no event loop")]
pub fn wait_until(due: Instant) -> Instant {
    let early = due.saturating_duration_since(Instant::now());
    if early.is_zero() {
        return due;
    }
    thread::sleep(early);
    Instant::now()
}

/// Runs `client(0..count)` on threads that begin together, and gives back what each returned.
pub fn at_once<T: Send + 'static>(
    count: usize,
    client: impl Fn(usize) -> T + Send + Sync + 'static,
) -> impl FnOnce() -> Vec<T> {
    let client = Arc::new(client);
    let begin = Arc::new(Barrier::new(count + 1));
    let start = |index| -> JoinHandle<T> {
        let (client, begin) = (Arc::clone(&client), Arc::clone(&begin));
        let thread = thread::Builder::new().stack_size(STACK);
        thread.spawn(move || (begin.wait(), client(index)).1).unwrap()
    };
    let threads: Vec<_> = (0..count).map(start).collect();
    begin.wait();
    move || threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}
