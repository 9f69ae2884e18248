//! A connection of HTTP/1 whose buffers are given back while it is idle: hyper holds 16 KiB for each that it serves, so one
//! that rests is taken from it, and given back with the first bytes of its next request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::gated::Gated;
use crate::server::paced::{Clock, Occupying, Paced};

/// Serves until the connection ends; `clock` says when it may rest.
///
/// # Errors
/// As hyper's connection.
pub async fn serve<S, H>(
    builder: &http1::Builder,
    mut stream: Box<Gated<Paced<S>>>,
    mut service: H,
    clock: &Clock,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<http::Request<Incoming>, Response = http::Response<Occupying>, Error = Infallible>
        + Unpin,
{
    loop {
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        // In a place of its own: the task of a connection that rests stays small.
        let mut connection = Box::new(connection);
        let ended = poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if clock.may_rest() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(ended) = ended.await {
            return ended;
        }
        let Some(parts) = connection.into_parts() else { return Ok(()) };
        (stream, service) = (parts.io.into_inner(), parts.service);
        stream.replay(parts.read_buf);
        if !stream.stream().fill().await.unwrap_or(false) {
            return Ok(());
        }
    }
}
