//! A connection whose bytes pass the [`Gate`] on their way to hyper. What is refused looks to hyper as if the client
//! had left; the client is told after the answers that it still has to get.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::call::{Reason, RequestId};
use crate::handler::{Error, problem};
use crate::server::gate::head::Limits;
use crate::server::gate::{Gate, Refusal, Seen};
use crate::server::paced::Clock;
use crate::telemetry::Metrics;

/// How long a client that still sends is listened to after the last answer: closing at once would reset the
/// connection, and the answer could be lost on its way (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Bytes that are taken from a client that waits for the answer to its request to upgrade.
const MOST_HELD: usize = 16 * 1024;

/// Where refused heads are counted: no route could be named.
#[derive(Clone)]
pub struct Meters {
    malformed: IntCounter,
    too_large: IntCounter,
}

impl Meters {
    /// Under the route label of unmatched requests.
    #[must_use]
    pub fn new(metrics: &Metrics, unmatched: &str) -> Self {
        let rejected = |reason: Reason| {
            metrics.http_requests_rejected.with_label_values(&[unmatched, reason.as_str()])
        };
        Self { malformed: rejected(Reason::BadRequest), too_large: rejected(Reason::HeadTooLarge) }
    }
}

/// An HTTP/1 connection behind its gate.
pub struct Gated<S> {
    stream: S,
    gate: Gate,
    clock: Clock,
    meters: Meters,
    refused: Refused,
    /// Looked at already, and not read by anybody else.
    passed: Bytes,
    /// Read after a request to upgrade, until its answer says what it is.
    held: Vec<u8>,
    client_has_ended: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

enum Refused {
    No,
    /// The body that hyper reads now.
    Body,
    /// A head. `is_asked`: hyper has read all that stood before it.
    Head {
        error: Error,
        is_asked: bool,
    },
    /// The last words, as far as they are not out.
    Telling(Vec<u8>),
    Told,
}

impl<S> Gated<S> {
    /// Looks at all that `stream` brings.
    pub fn new(stream: S, limits: Limits, clock: Clock, meters: Meters) -> Self {
        Self {
            stream,
            gate: Gate::new(limits),
            clock,
            meters,
            refused: Refused::No,
            passed: Bytes::new(),
            held: Vec::new(),
            client_has_ended: false,
            linger: None,
        }
    }

    /// Gives `bytes` to the next reader, unseen: they have passed before.
    pub fn replay(&mut self, bytes: Bytes) {
        self.passed = bytes;
    }

    /// What is behind the gate.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Passes on what is good of the bytes after `before`.
    fn pass(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let fresh = &buffer.filled()[before..];
        match self.gate.look(fresh) {
            Ok(Seen::All) => {}
            Ok(Seen::Until(at)) => {
                self.held.extend_from_slice(&fresh[at..]);
                buffer.set_filled(before + at);
            }
            Err(Refusal { at, error, in_body }) => {
                self.clock.refused();
                self.refused = match in_body {
                    true => Refused::Body,
                    false => Refused::Head { error, is_asked: false },
                };
                buffer.set_filled(before + at);
            }
        }
    }

    /// What was held back, once it is known what it is.
    fn poll_held(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<()> {
        if self.clock.is_tunnel() {
            self.gate.upgrade_answered(true);
        } else if self.clock.is_busy() {
            return Poll::Pending;
        } else {
            self.gate.upgrade_answered(false);
        }
        let before = buffer.filled().len();
        let count = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held[..count]);
        self.held.drain(..count);
        self.pass(buffer, before);
        Poll::Ready(())
    }

    fn waits(&self) -> bool {
        self.gate.is_upgrading() || !self.held.is_empty()
    }
}

impl<S: AsyncWrite + Unpin> Gated<S> {
    /// Tells the client of a refused head when all answers before it are out.
    fn tell(&mut self, context: &mut Context<'_>) {
        if let Refused::Head { error, is_asked: true } = &self.refused {
            if self.clock.is_busy() {
                return;
            }
            match error {
                Error::HeadTooLarge { .. } => self.meters.too_large.inc(),
                _ => self.meters.malformed.inc(),
            }
            self.refused = Refused::Telling(problem::last_words(error, RequestId::next()));
        }
        while let Refused::Telling(words) = &mut self.refused {
            match Pin::new(&mut self.stream).poll_write(context, words) {
                Poll::Pending => return,
                Poll::Ready(Ok(count)) if (1..words.len()).contains(&count) => {
                    words.drain(..count);
                }
                Poll::Ready(_) => {
                    self.refused = Refused::Told;
                    context.waker().wake_by_ref();
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Gated<S> {
    /// Ready where the client leaves while its request to upgrade waits for an answer.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; 1024];
        while self.held.len() < MOST_HELD {
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                self.client_has_ended = true;
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(buffer.filled());
        }
        Poll::Pending
    }

    /// Reads what a client still sends, and forgets it.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 8192];
        let timer = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while timer.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(())
    }

    fn may_still_send(&self) -> bool {
        let is_whole = self.gate.is_between() && matches!(self.refused, Refused::No);
        !(self.client_has_ended || is_whole)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.refused {
            Refused::No => {}
            Refused::Body => {
                let problem = "the chunked body is malformed";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, problem)));
            }
            Refused::Head { is_asked, .. } => {
                // hyper flushes after each read: `tell` follows.
                *is_asked = true;
                return Poll::Pending;
            }
            Refused::Telling(_) => return Poll::Pending,
            Refused::Told => return Poll::Ready(Ok(())),
        }
        if !this.passed.is_empty() {
            let count = this.passed.len().min(buffer.remaining());
            buffer.put_slice(&this.passed.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if this.waits() {
            if this.poll_held(buffer).is_pending() {
                return this.poll_gone(context);
            }
            if !buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.client_has_ended = buffer.filled().len() == before;
        this.pass(buffer, before);
        let is_withheld = buffer.filled().len() == before && !this.client_has_ended;
        match (&mut this.refused, is_withheld) {
            (_, false) => Poll::Ready(Ok(())),
            (Refused::Head { is_asked, .. }, true) => {
                *is_asked = true;
                Poll::Pending
            }
            (_, true) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.tell(context);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.may_still_send() {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
