//! A connection that ends itself when its time is over: to hyper it looks as if the client had left.
//! hyper alone has no limit for a connection that stays silent, nor one for the pause between two requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, sleep_until};

use crate::call::RequestId;
use crate::handler::body::Cut;
use crate::handler::gather::poll_write_slices;
use crate::handler::{Body, Error, problem};
use crate::server::pace::{Late, Limits, Pace};
use crate::server::protocol::read_some;
use crate::telemetry::Metrics;

/// Shared by a connection and the requests on it.
#[derive(Clone)]
pub struct Clock(Arc<State>);

struct State {
    pace: Mutex<Pace>,
    is_tunnel: AtomicBool,
    is_refused: AtomicBool,
    is_cut: AtomicBool,
    is_slow: AtomicBool,
    is_last: AtomicBool,
    may_rest: AtomicBool,
}

impl Clock {
    /// Of a connection accepted now.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let pace = Mutex::new(Pace::new(limits, Instant::now()));
        let off = || AtomicBool::new(false);
        Self(Arc::new(State {
            pace,
            is_tunnel: off(),
            is_refused: off(),
            is_cut: off(),
            is_slow: off(),
            is_last: off(),
            may_rest: off(),
        }))
    }

    /// A request's head is whole; it lasts until the returned value is dropped.
    #[must_use]
    pub fn request(&self, is_http2: bool) -> Busy {
        let mut pace = self.pace();
        pace.request_began(is_http2);
        if pace.is_spent() {
            self.0.is_last.store(true, Ordering::Relaxed);
        }
        drop(pace);
        Busy { clock: self.clone(), is_http2 }
    }

    /// Whether the client is to be told that no more requests are taken here.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.0.is_last.load(Ordering::Relaxed)
    }

    /// A drain has begun: the connection ends with its next answer, or when it has been idle for a moment.
    pub fn drain(&self) {
        self.pace().drain(Instant::now());
        self.0.is_last.store(true, Ordering::Relaxed);
    }

    /// True once, when the connection has been idle for a while and all that was written is on its way.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        self.0.may_rest.load(Ordering::Relaxed) && self.0.may_rest.swap(false, Ordering::Relaxed)
    }

    /// Whether a request has not ended.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pace().is_busy()
    }

    /// As [`Busy::becomes_tunnel`] said.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.0.is_tunnel.load(Ordering::Relaxed)
    }

    /// What came was malformed.
    pub fn refused(&self) {
        self.0.is_refused.store(true, Ordering::Relaxed);
    }

    /// As [`Clock::refused`] said.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.is_refused.load(Ordering::Relaxed)
    }

    /// An answer did not get to its end.
    fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Relaxed);
    }

    /// Whether an answer is, or may be, not whole.
    fn is_cut(&self) -> bool {
        self.is_busy() || self.0.is_cut.load(Ordering::Relaxed)
    }

    /// Whether it was cut off because its client took nothing.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.0.is_slow.load(Ordering::Relaxed)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on a connection.
pub struct Busy {
    clock: Clock,
    is_http2: bool,
}

impl Busy {
    /// The answer is 101: from now on nothing on this connection is HTTP.
    pub fn becomes_tunnel(&self) {
        self.clock.0.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether the answer is to say that it is the last here; HTTP/2 has its own word for that.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.clock.is_last() && !self.is_http2
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.clock.pace().request_ended(Instant::now());
    }
}

/// Where connections that took too long are counted.
#[derive(Clone)]
pub struct Meters {
    head: IntCounter,
    idle: IntCounter,
    send: IntCounter,
}

impl Meters {
    /// Among all connections that failed.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let errors = |reason| metrics.connection_errors.with_label_values(&[reason]);
        Self {
            head: errors("head_timeout"),
            idle: errors("idle_timeout"),
            send: errors("send_timeout"),
        }
    }
}

/// The stream of a connection under a [`Clock`].
pub struct Paced<S: AsyncWrite + Unpin> {
    stream: S,
    /// Read already, to find out which protocol this is.
    replay: Bytes,
    clock: Clock,
    meters: Meters,
    timer: Option<Pin<Box<Sleep>>>,
    send_timeout: Option<Duration>,
    /// Runs while the client takes nothing of what is written.
    stuck: Option<Pin<Box<Sleep>>>,
    is_flushed: bool,
    is_over: bool,
    is_shut: bool,
    _open: oneshot::Sender<Infallible>,
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    /// Ends `stream` by `clock`. Whoever waits at the other end of `open` sees when it is dropped: a tunnel outlives
    /// the HTTP connection that it was.
    pub fn new(stream: S, clock: Clock, meters: Meters, open: oneshot::Sender<Infallible>) -> Self {
        Self {
            stream,
            replay: Bytes::new(),
            clock,
            meters,
            timer: None,
            send_timeout: None,
            stuck: None,
            is_flushed: true,
            is_over: false,
            is_shut: false,
            _open: open,
        }
    }

    /// Ends it as well when the client takes nothing for so long.
    #[must_use]
    pub fn sending_within(mut self, send_timeout: Option<Duration>) -> Self {
        self.send_timeout = send_timeout;
        self
    }

    /// Gives `bytes` to the next reader once more.
    #[must_use]
    pub fn replaying(mut self, bytes: Bytes) -> Self {
        self.replay = bytes;
        self
    }

    /// Waits for bytes, which the next reader gets; no buffer is held meanwhile. False: none come any more.
    ///
    /// # Errors
    /// As `read(2)`.
    pub async fn fill(&mut self) -> io::Result<bool>
    where
        S: AsyncRead,
    {
        let mut read = BytesMut::new();
        let count = read_some(self, &mut read).await?;
        self.replay = read.freeze();
        Ok(count > 0)
    }

    /// Ready when the time is over.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Late> {
        if self.clock.is_tunnel() {
            return Poll::Pending;
        }
        let Some((deadline, late)) = self.clock.pace().deadline() else { return Poll::Pending };
        let deadline = deadline.into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // A timer that rings early is set again then: cheaper than setting it for each request.
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        if timer.deadline() < deadline {
            timer.as_mut().reset(deadline);
            ready!(timer.as_mut().poll(context));
        }
        if late == Late::Rest {
            self.rest();
            return self.poll_late(context);
        }
        Poll::Ready(late)
    }

    /// What is not flushed is in buffers that must stay; the next flush comes with the next request.
    fn rest(&mut self) {
        self.clock.pace().rests();
        self.clock.0.may_rest.store(self.is_flushed, Ordering::Relaxed);
    }

    /// After each write: how long has the client taken nothing?
    fn poll_sent(
        &mut self,
        sent: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        if sent.is_ready() {
            self.stuck = None;
            self.clock.pace().sent(Instant::now);
            return sent;
        }
        let Some(limit) = self.send_timeout else { return Poll::Pending };
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stuck.as_mut().poll(context));
        self.meters.send.inc();
        self.clock.0.is_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }

    /// Tells a client whose head did not end. The socket's buffer is empty: nothing was sent since the last answer.
    fn end(&mut self, late: Late, context: &mut Context<'_>) {
        self.is_over = true;
        match late {
            Late::Drained | Late::Rest => {}
            Late::Idle => self.meters.idle.inc(),
            Late::Silent => self.meters.head.inc(),
            Late::Head(limit) => {
                self.meters.head.inc();
                let answer = problem::last_words(&Error::HeadTimeout(limit), RequestId::next());
                let _client_left = Pin::new(&mut self.stream).poll_write(context, &answer);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        if !this.replay.is_empty() {
            let count = this.replay.len().min(buffer.remaining());
            buffer.put_slice(&this.replay.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.clock.pace().received(Instant::now);
            return Poll::Ready(read);
        }
        let late = ready!(this.poll_late(context));
        this.end(late, context);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_sent(sent, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = poll_write_slices(&mut self.stream, context, slices);
        self.poll_sent(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The last thing that hyper does on an HTTP/1 connection before it rests: it does not read again where it
    /// found nothing while the request ran, so the timer is set here.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_over && self.poll_late(context).is_ready() {
            context.waker().wake_by_ref();
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncWrite + Unpin> Drop for Paced<S> {
    /// hyper just drops some connections, as one that ends within a head. The client is told that this is all
    /// (`close_notify`, RFC 8446 section 6.1), unless an answer was cut: that must not look like an end.
    fn drop(&mut self) {
        if !self.is_shut && !self.clock.is_tunnel() && !self.clock.is_cut() {
            let mut context = Context::from_waker(Waker::noop());
            let _as_far_as_it_goes = Pin::new(&mut self.stream).poll_shutdown(&mut context);
        }
    }
}

/// An answer's body that keeps its connection busy until it ends.
pub struct Occupying {
    body: Body,
    busy: Option<Busy>,
    has_ended: bool,
}

impl Occupying {
    /// `body`, while `busy` is held.
    #[must_use]
    pub fn new(body: Body, busy: Option<Busy>) -> Self {
        Self { body, busy, has_ended: false }
    }

    fn cut(&self) {
        if let Some(Busy { clock, .. }) = &self.busy {
            clock.cut();
        }
    }
}

impl HttpBody for Occupying {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.has_ended = true,
            Some(Err(_)) => self.cut(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Occupying {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.cut();
        }
    }
}
