//! A small blocking HTTP/2 client on hyper, with prior knowledge (RFC 9113 section 3.3) or over TLS; one connection, many
//! streams.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::http::{Response, TIMEOUT};
use super::https::{HOST, Trust};
use super::place::Place;

/// A request in the terms of hyper.
pub type Request = http::Request<Full<Bytes>>;

/// What is sent of a body.
type Sent = BoxBody<Bytes, Infallible>;

/// A body of unknown length.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// An open connection.
pub struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Sent>,
}

impl Http2 {
    /// Connects over TCP.
    ///
    /// # Panics
    /// Where nobody listens there, or does not speak HTTP/2.
    #[track_caller]
    pub fn open(place: impl Into<Place>) -> Self {
        Self::over(place, async |stream| stream)
    }

    /// Connects over TLS.
    ///
    /// # Panics
    /// As [`Http2::open`], and where the handshake fails.
    #[track_caller]
    pub fn open_tls(place: impl Into<Place>, trust: &Trust) -> Self {
        let connector = TlsConnector::from(trust.config());
        let name = ServerName::try_from(HOST).unwrap();
        Self::over(place, async |stream| connector.connect(name, stream).await.unwrap())
    }

    /// Connects over TCP and sends `first` before anything else.
    ///
    /// # Panics
    /// As [`Http2::open`].
    #[track_caller]
    pub fn open_after(place: impl Into<Place>, first: &[u8]) -> Self {
        Self::over(place, async |mut stream| {
            tokio::io::AsyncWriteExt::write_all(&mut stream, first).await.unwrap();
            stream
        })
    }

    #[track_caller]
    fn over<S>(place: impl Into<Place>, open: impl AsyncFnOnce(TcpStream) -> S) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Place::Tcp(address) = place.into() else { panic!("over TCP only") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let io = TokioIo::new(open(TcpStream::connect(address).await.unwrap()).await);
            let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// A request to `http://AUTHORITY/PATH`.
    pub fn request(method: &str, url: &str, body: &[u8]) -> Request {
        let body = Full::new(Bytes::copy_from_slice(body));
        http::Request::builder().method(method).uri(url).body(body).unwrap()
    }

    /// Sends all at once, each on a stream of its own, and gives back the answers in that order.
    ///
    /// # Panics
    /// Where one gets no answer.
    #[track_caller]
    pub fn send_all(&self, requests: Vec<Request>) -> Vec<Response> {
        self.runtime.block_on(async {
            let one = |request: Request| {
                tokio::spawn(exchange(self.sender.clone(), request.map(BodyExt::boxed)))
            };
            let streams: Vec<_> = requests.into_iter().map(one).collect();
            let mut answers = Vec::new();
            for stream in streams {
                let answer =
                    tokio::time::timeout(TIMEOUT, stream).await.expect("no answer in time");
                answers.push(answer.unwrap().unwrap());
            }
            answers
        })
    }

    /// Sends one.
    ///
    /// # Panics
    /// As [`Http2::send_all`].
    #[track_caller]
    pub fn send(&self, request: Request) -> Response {
        self.send_all(vec![request]).remove(0)
    }

    /// Sends one whose body comes in these pieces, its length unsaid.
    ///
    /// # Panics
    /// As [`Http2::send_all`].
    #[track_caller]
    pub fn send_in_pieces(&self, request: Request, pieces: Vec<Vec<u8>>) -> Response {
        let (head, _) = request.into_parts();
        let body = Pieces(pieces.into_iter().map(Bytes::from).collect()).boxed();
        let answer = exchange(self.sender.clone(), http::Request::from_parts(head, body));
        self.runtime.block_on(answer).unwrap()
    }

    /// Whether the other side takes no more requests (GOAWAY, or closed).
    pub fn is_closed(&mut self) -> bool {
        self.runtime.block_on(async {
            tokio::task::yield_now().await;
            self.sender.ready().await.is_err()
        })
    }
}

/// A body that is cut is an answer that is not complete.
async fn exchange(
    mut sender: SendRequest<Sent>,
    request: http::Request<Sent>,
) -> Result<Response, hyper::Error> {
    let (head, body) = sender.send_request(request).await?.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let mut response = Response {
        status: head.status.as_u16(),
        headers: headers.collect(),
        ..Response::default()
    };
    let mut body = body;
    loop {
        match body.frame().await {
            None => {
                response.complete = true;
                return Ok(response);
            }
            Some(Err(_)) => return Ok(response),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    response.body.extend_from_slice(data);
                }
            }
        }
    }
}
