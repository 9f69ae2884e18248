//! One HTTP/1 connection to an upstream, driven by the request that uses it: no task of its own, so an answer costs no
//! wake-up of another task.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Builder, SendRequest};
use hyper_util::rt::TokioIo;

use crate::handler::RequestBody;
use crate::handler::upstream::Stream;

/// Bytes of an answer's head, and of one read: hyper reads interim answers (1xx) without a pause while they come, and its own
/// 400 KiB a read would let an upstream hold the event loop with them.
const MOST_BUFFERED: usize = 64 * 1024;

/// A connection: nothing happens on it unless it is polled.
pub struct Connection {
    sender: SendRequest<RequestBody>,
    connection: http1::Connection<TokioIo<Stream>, RequestBody>,
    has_ended: bool,
}

impl Connection {
    /// Over a fresh `stream`.
    ///
    /// # Errors
    /// None that hyper documents.
    pub async fn open(stream: Stream) -> Result<Box<Self>, hyper::Error> {
        let handshake = Builder::new().max_buf_size(MOST_BUFFERED).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        Ok(Box::new(Self { sender, connection, has_ended: false }))
    }

    /// Sends `request` and waits for the head of its answer.
    ///
    /// # Errors
    /// The connection ended, or what came is no HTTP.
    pub async fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut is_sent = false;
        poll_fn(|context| {
            let mut asleep = Context::from_waker(Waker::noop());
            // What wakes this may be all that was missing: then nothing that is left behind needs to wake it again.
            if std::mem::replace(&mut is_sent, true) {
                poll_connection(&mut self.connection, &mut self.has_ended, &mut asleep);
                if let Poll::Ready(answer) = answer.as_mut().poll(&mut asleep) {
                    return Poll::Ready(answer);
                }
            }
            poll_connection(&mut self.connection, &mut self.has_ended, context);
            answer.as_mut().poll(&mut asleep)
        })
        .await
        .map_err(TrySendError::into_error)
    }

    /// The next piece of an answer that this connection brings.
    pub fn poll_body(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut asleep = Context::from_waker(Waker::noop());
        self.drive(&mut asleep);
        if let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(&mut asleep) {
            return Poll::Ready(frame);
        }
        self.drive(context);
        Pin::new(incoming).poll_frame(&mut asleep)
    }

    /// Gives it a task until its exchange is over: a request's body must flow on while nobody reads the answer's.
    pub fn run_alone(mut self: Box<Self>, give_back: impl FnOnce(Box<Self>) + Send + 'static) {
        tokio::spawn(async move {
            poll_fn(|context| {
                self.drive(context);
                if self.has_ended || self.is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if !self.has_ended {
                give_back(self);
            }
        });
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        poll_connection(&mut self.connection, &mut self.has_ended, context);
    }

    /// Whether the last exchange is over, in both directions, and another may follow.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.has_ended && self.sender.is_ready()
    }

    /// Whether an idle connection is still good: the upstream may have closed it, or sent what nobody asked for.
    pub fn is_fresh(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_ready()
    }

    /// After a 101: the stream, and what was read of the new protocol already.
    #[must_use]
    pub fn into_stream(self) -> (Stream, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

/// Its error is told to whoever waits for the answer.
fn poll_connection(
    connection: &mut http1::Connection<TokioIo<Stream>, RequestBody>,
    has_ended: &mut bool,
    context: &mut Context<'_>,
) {
    if !*has_ended {
        *has_ended = connection.poll_without_shutdown(context).is_ready();
    }
}
