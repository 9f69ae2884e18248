//! hyper on both sides and nothing between: no routing, no headers changed, no limits, no metrics.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

/// Until the process is ended.
pub fn run(listener: TcpListener, upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    listener.set_nonblocking(true).unwrap();
    LocalSet::new().block_on(&runtime, accept(listener, upstream));
}

async fn accept(listener: TcpListener, upstream: SocketAddr) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        spawn_local(serve(client, upstream));
    }
}

async fn serve(client: TcpStream, upstream: SocketAddr) {
    let sender = Rc::new(RefCell::new(Some(connect(upstream).await)));
    let service = service_fn(|request| {
        let sender = Rc::clone(&sender);
        async move { Ok::<_, Infallible>(forward(&sender, request).await) }
    });
    // A client that leaves in the middle is no concern of a measurement that sees errors at the client.
    let _ = Builder::new().serve_connection(TokioIo::new(client), service).await;
}

async fn connect(upstream: SocketAddr) -> SendRequest<Incoming> {
    let stream = TcpStream::connect(upstream).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    spawn_local(connection);
    sender
}

/// HTTP/1 has one request at a time, so the sender is there.
async fn forward(
    place: &RefCell<Option<SendRequest<Incoming>>>,
    request: Request<Incoming>,
) -> Response<Incoming> {
    let mut sender = place.take().unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    place.replace(Some(sender));
    response
}
