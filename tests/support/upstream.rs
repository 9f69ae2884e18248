//! A fake upstream on threads of its own: routes by exact path, answers as it is told, and keeps each request it saw.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::answer::{Answer, End};
use super::http::{Connection, parse_headers};
use super::place::{Acceptor, Place};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The head, byte for byte.
    pub head: Vec<u8>,
    /// Without chunk framing.
    pub body: Vec<u8>,
    /// The body ended as its framing says.
    pub complete: bool,
}

impl Recorded {
    /// The values of all headers of this name, any case.
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        let same = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, v)| v.as_str()).collect()
    }

    /// The first header of this name, any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).first().copied()
    }
}

/// What [`Upstream`] will be.
#[derive(Default)]
pub struct Builder {
    routes: HashMap<String, Answer>,
    fallback: Option<Answer>,
    unix: bool,
    address: Option<SocketAddr>,
}

impl Builder {
    /// Answers this path (without its query) so.
    pub fn route(mut self, path: &str, answer: Answer) -> Self {
        self.routes.insert(path.to_owned(), answer);
        self
    }

    /// Answers every other path so; 404 unless told.
    pub fn fallback(mut self, answer: Answer) -> Self {
        self.fallback = Some(answer);
        self
    }

    /// Listens on a Unix socket in a folder of its own.
    pub fn unix(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Listens at this address: where another one listened before.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Starts it.
    pub fn start(self) -> Upstream {
        let folder = tempfile::tempdir().unwrap();
        let (acceptor, place) =
            bind(self.unix.then(|| folder.path().join("upstream.sock")), self.address);
        let shared = Arc::new(Shared {
            routes: Mutex::new(self.routes),
            fallback: self.fallback.unwrap_or_else(|| Answer::status(404)),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&acceptor, &shared)
        });
        Upstream { place, shared, accepting: Some(accepting), _folder: folder }
    }
}

/// A running fake upstream; ends when dropped.
pub struct Upstream {
    place: Place,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Upstream {
    /// A builder: on TCP, without routes.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// As a configuration says it.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// All requests whose body has ended, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// The first `count` requests, once they have come.
    ///
    /// # Panics
    /// Where they do not come within 5 s.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Recorded> {
        let state = self.shared.state.lock().unwrap();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, super::wait::PATIENCE, |s| s.requests.len() < count)
            .unwrap();
        assert!(state.requests.len() >= count, "only {} of {count} came", state.requests.len());
        state.requests[..count].to_vec()
    }

    /// Requests for this path, so far.
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.target == path).count()
    }

    /// Answers this path so from now on.
    pub fn change(&self, path: &str, answer: Answer) {
        self.shared.routes.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().accepted
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().stopped = true;
        self.shared.changed.notify_all();
        // Wakes the accept, which then sees that it is over.
        let _ = self.place.connect(Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    accepted: usize,
    stopped: bool,
}

struct Shared {
    routes: Mutex<HashMap<String, Answer>>,
    fallback: Answer,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn record(&self, request: Recorded) {
        self.state.lock().unwrap().requests.push(request);
        self.changed.notify_all();
    }

    /// `false`: it was stopped before.
    fn wait(&self, length: Duration) -> bool {
        let end = Instant::now() + length;
        let state = self.state.lock().unwrap();
        let left = end.saturating_duration_since(Instant::now());
        let (state, _) = self.changed.wait_timeout_while(state, left, |s| !s.stopped).unwrap();
        !state.stopped
    }

    fn answer(&self, target: &str) -> Answer {
        let path = target.split('?').next().unwrap_or_default();
        self.routes.lock().unwrap().get(path).unwrap_or(&self.fallback).clone()
    }
}

fn bind(unix: Option<std::path::PathBuf>, address: Option<SocketAddr>) -> (Acceptor, Place) {
    match unix {
        Some(path) => (Acceptor::Unix(UnixListener::bind(&path).unwrap()), Place::Unix(path)),
        None => {
            let address = address.unwrap_or(([127, 0, 0, 1], 0).into());
            let listener = TcpListener::bind(address).unwrap();
            let place = Place::Tcp(listener.local_addr().unwrap());
            (Acceptor::Tcp(listener), place)
        }
    }
}

fn accept(acceptor: &Acceptor, shared: &Arc<Shared>) {
    while let Ok(stream) = acceptor.accept() {
        {
            let mut state = shared.state.lock().unwrap();
            if state.stopped {
                return;
            }
            state.accepted += 1;
        }
        let shared = Arc::clone(shared);
        // A head and its body are two writes: the second must not wait for an acknowledgement.
        let _gone_already = stream.set_timeout(None);
        std::thread::spawn(move || {
            let mut connection = Connection::from_stream(stream);
            // It ends by an error: the peer left, or the answer says so.
            while exchange(&mut connection, &shared).is_ok() {}
        });
    }
}

fn exchange(connection: &mut Connection, shared: &Shared) -> io::Result<()> {
    let request = receive(connection)?;
    let answer = shared.answer(&request.target);
    let head_only = request.method == "HEAD";
    shared.record(request);
    send(connection, &answer, head_only, shared)
}

fn receive(connection: &mut Connection) -> io::Result<Recorded> {
    let head = connection.head()?;
    let headers = parse_headers(&head);
    let value = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    let (body, complete) = if value("transfer-encoding").is_some() {
        connection.chunked()?
    } else {
        let length = value("content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
        let body = connection.exactly(length)?;
        let complete = body.len() == length;
        (body, complete)
    };
    let text = String::from_utf8_lossy(&head);
    let mut words = text.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Recorded { method, target, headers, head, body, complete })
}

fn send(
    connection: &mut Connection,
    answer: &Answer,
    head_only: bool,
    shared: &Shared,
) -> io::Result<()> {
    if !shared.wait(answer.delay) {
        return closed(connection);
    }
    match &answer.end {
        End::Closed => closed(connection),
        End::Raw(bytes) => {
            connection.send(bytes)?;
            closed(connection)
        }
        End::Hang => {
            shared.wait(Duration::from_secs(3600));
            closed(connection)
        }
        End::CutAfter(count) => {
            let body = answer.pieces().concat();
            connection.send(&answer.head())?;
            connection.send(&body[..(*count).min(body.len())])?;
            closed(connection)
        }
        End::Whole => {
            connection.send(&answer.head())?;
            let pieces = if head_only { Vec::new() } else { answer.pieces() };
            whole(connection, &pieces, answer.gap, shared)
        }
    }
}

fn whole(
    connection: &mut Connection,
    pieces: &[Vec<u8>],
    gap: Duration,
    shared: &Shared,
) -> io::Result<()> {
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 && !shared.wait(gap) {
            return closed(connection);
        }
        connection.send(piece)?;
    }
    Ok(())
}

fn closed(connection: &Connection) -> io::Result<()> {
    let _ = connection.stream().shutdown(std::net::Shutdown::Both);
    Err(io::ErrorKind::ConnectionAborted.into())
}

#[test]
fn it_answers_as_it_is_told_and_keeps_what_it_saw() {
    use super::http;
    let gap = Duration::from_millis(1);
    let upstream = Upstream::builder()
        .route("/plain", Answer::ok("hello").header("x-a", "1"))
        .route("/chunked", Answer::status(201).chunks(&["ab", "cd"], gap))
        .route("/cut", Answer::ok("0123456789").cut_after(4))
        .route("/gone", Answer::close())
        .start();

    let plain = http::post(upstream.place(), "/plain?q=1", b"body");
    assert_eq!((plain.status, plain.text().as_str()), (200, "hello"));
    assert_eq!(plain.header("X-A"), Some("1"));
    let chunked = http::get(upstream.place(), "/chunked");
    assert_eq!((chunked.status, chunked.text().as_str()), (201, "abcd"));
    let cut = http::get(upstream.place(), "/cut");
    assert_eq!((cut.text().as_str(), cut.complete), ("0123", false));
    assert!(http::try_request(upstream.place(), "GET", "/gone", &[], b"").is_err());
    assert_eq!(http::get(upstream.place(), "/other").status, 404);

    let seen = upstream.wait_for(5);
    assert_eq!(seen[0].body, b"body");
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/plain?q=1"));
    assert_eq!(seen[0].header_all("Host"), ["test"]);
}

#[test]
fn it_listens_on_a_unix_socket_and_keeps_connections() {
    let upstream = Upstream::builder().unix().fallback(Answer::ok("u")).start();
    let mut connection = Connection::open(upstream.place()).unwrap();
    for _ in 0..3 {
        assert_eq!(connection.request("GET", "/", &[], b"").unwrap().text(), "u");
    }
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 3));
}

#[test]
fn it_ends_at_once_though_a_request_hangs() {
    let upstream = Upstream::builder().fallback(Answer::hang()).start();
    let mut connection = Connection::open(upstream.place()).unwrap();
    connection.send(&super::http::encode("GET", "/", &[], b"")).unwrap();
    upstream.wait_for(1);
    drop(upstream);
    assert_eq!(connection.rest().unwrap(), b"");
}
