//! Bodies: what a client sends, limited; what it gets, with an end that can be observed.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::call::{AnswerBody, Hold};
use crate::handler::Error;
use crate::handler::idle::Idle;
use crate::handler::upstream::UpstreamBody;

/// A request's body: at most so many bytes, never silent for too long, whole in time.
pub struct RequestBody {
    incoming: Option<Incoming>,
    limit: Option<u64>,
    received: u64,
    counter: Option<Arc<AtomicU64>>,
    idle: Idle,
    has_trailers: bool,
    whole: Option<Duration>,
    /// When the first wait for it began.
    begun: Option<Instant>,
}

impl RequestBody {
    /// `limit` in bytes and `idle` between two reads; `None`: none.
    #[must_use]
    pub fn new(incoming: Incoming, limit: Option<u64>, idle: Option<Duration>) -> Self {
        Self { incoming: Some(incoming), limit, idle: Idle::new(idle), ..Self::empty() }
    }

    /// `whole` for all of it; `None`: any time.
    #[must_use]
    pub fn within(self, whole: Option<Duration>) -> Self {
        Self { whole, ..self }
    }

    /// From now on trailers are passed on; else they are dropped.
    pub fn pass_trailers(&mut self) {
        self.has_trailers = true;
    }

    /// No bytes: what is left of a body that was read.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            incoming: None,
            limit: None,
            received: 0,
            counter: None,
            idle: Idle::new(None),
            has_trailers: false,
            whole: None,
            begun: None,
        }
    }

    /// Tells `counter` how many bytes have come.
    pub fn count_into(&mut self, counter: Arc<AtomicU64>) {
        self.counter = Some(counter);
    }

    /// The whole body, of at most `cap` bytes.
    ///
    /// # Errors
    /// [`Error::BodyTooLarge`], [`Error::BodyTimeout`], [`Error::ClientGone`].
    pub async fn collect(mut self, cap: u64) -> Result<Bytes, Error> {
        self.limit = Some(self.limit.map_or(cap, |limit| limit.min(cap)));
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }

    /// Waits for the end of a body that says it is empty: HTTP/2 may bring bytes all the same, which make its request
    /// malformed (RFC 9113 section 8.1.1), and in HTTP/1.1 it would be whole already.
    ///
    /// # Errors
    /// [`Error::BadRequest`]; [`Error::BodyTimeout`] and [`Error::BodyTooSlow`] where it does not end.
    pub async fn ends_empty(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.frame().await {
            if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                return Err(Error::BadRequest("a body that is longer than its Content-Length"));
            }
        }
        Ok(())
    }

    /// Ready when nothing came for too long, or not all in time.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let Some(whole) = self.whole else {
            return self.idle.poll(context).map(Error::BodyTimeout);
        };
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let left = whole.saturating_sub(begun.elapsed());
        ready!(self.idle.poll_within(left, context));
        Poll::Ready(match self.idle.limit() {
            Some(idle) if begun.elapsed() < whole => Error::BodyTimeout(idle),
            _ => Error::BodyTooSlow(whole),
        })
    }

    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.received += bytes as u64;
        if let Some(counter) = &self.counter {
            counter.store(self.received, Ordering::Relaxed);
        }
        match self.limit {
            Some(limit) if self.received > limit => Err(Error::BodyTooLarge(limit)),
            _ => Ok(()),
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
            let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) else {
                let late = ready!(this.poll_late(context));
                return Poll::Ready(Some(Err(late)));
            };
            this.idle.rest();
            let frame = match frame {
                Some(Ok(frame)) if frame.is_trailers() && !this.has_trailers => continue,
                Some(Ok(frame)) => frame,
                Some(Err(problem)) => return Poll::Ready(Some(Err(broken(&problem)))),
                None => return Poll::Ready(None),
            };
            let counted = this.count(frame.data_ref().map_or(0, Bytes::len));
            return Poll::Ready(Some(counted.map(|()| frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

/// Why no more of a request's body comes.
fn broken(problem: &hyper::Error) -> Error {
    let cause = problem.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            Error::BadRequest("the chunked body is malformed")
        }
        _ => Error::ClientGone,
    }
}

/// Is told once how a response's body ended.
pub trait Ending: Send + Sync {
    /// `is_whole`: every byte was handed over; `sent` of them.
    fn ended(&mut self, is_whole: bool, sent: u64);
}

/// A response's body.
pub struct Body {
    source: Source,
    sent: u64,
    hold: Option<Hold>,
    ending: Option<Box<dyn Ending>>,
}

enum Source {
    Done,
    Full(Bytes),
    Answer(AnswerBody),
    Upstream(Box<UpstreamBody>),
    Stream(Stream),
    Cut,
}

/// `length` in bytes, where it is known beforehand.
struct Stream {
    body: UnsyncBoxBody<Bytes, Cut>,
    length: Option<u64>,
}

/// Why a body was cut. The client sees an aborted stream: its head was sent already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut before its end")]
pub struct Cut;

impl Body {
    fn new(source: Source) -> Self {
        Self { source, sent: 0, hold: None, ending: None }
    }

    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Source::Done)
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self::new(Source::Full(bytes)) }
    }

    /// What a call writes while it runs.
    #[must_use]
    pub fn answer(body: AnswerBody) -> Self {
        Self::new(Source::Answer(body))
    }

    /// What an upstream sends.
    #[must_use]
    pub fn upstream(body: UpstreamBody) -> Self {
        match body.is_end_stream() {
            true => Self::empty(),
            false => Self::new(Source::Upstream(Box::new(body))),
        }
    }

    /// What another body becomes on its way: a file of this `length` that is read, an answer that is compressed.
    #[must_use]
    pub fn stream(
        body: impl HttpBody<Data = Bytes, Error = Cut> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        if body.is_end_stream() || length == Some(0) {
            return Self::empty();
        }
        Self::new(Source::Stream(Stream { body: body.boxed_unsync(), length }))
    }

    /// Keeps `hold` until the body has ended.
    #[must_use]
    pub fn holding(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Tells `ending` how the body ends. A body without bytes has ended already.
    #[must_use]
    pub fn observed(mut self, mut ending: Box<dyn Ending>) -> Self {
        match self.source {
            Source::Done => ending.ended(true, 0),
            _ => self.ending = Some(ending),
        }
        self
    }

    fn end(&mut self, is_whole: bool) {
        // A handler that has written all that it had announced has not returned yet, and nobody has left.
        if let (true, Source::Answer(body)) =
            (is_whole, std::mem::replace(&mut self.source, Source::Done))
        {
            tokio::spawn(body.discard());
        }
        self.hold = None;
        if let Some(mut ending) = self.ending.take() {
            ending.ended(is_whole, self.sent);
        }
    }

    fn poll_source(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.source {
            Source::Done => Poll::Ready(None),
            Source::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Answer(body) => body
                .poll_next(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(|_| Cut))),
            Source::Upstream(body) => body.poll_frame(context),
            Source::Stream(stream) => Pin::new(&mut stream.body).poll_frame(context),
            Source::Cut => Poll::Ready(Some(Err(Cut))),
        }
    }

    /// Lets what was written before reach the client first: a head that is never seen looks like a request that was
    /// never served, which clients repeat.
    fn cut_next_time(&mut self, context: &mut Context<'_>) {
        self.source = Source::Cut;
        context.waker().wake_by_ref();
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let piece = ready!(self.poll_source(context));
        if let Some(Ok(frame)) = &piece {
            self.sent += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        match &piece {
            None => self.end(true),
            Some(Err(Cut)) if !matches!(self.source, Source::Cut) => {
                self.cut_next_time(context);
                return Poll::Pending;
            }
            Some(Err(Cut)) => self.end(false),
            // Known lengths are not polled to their end.
            Some(Ok(_)) if self.is_spent() => self.end(true),
            Some(Ok(_)) => {}
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Done => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Answer(body) => known(body.length(), self.sent),
            Source::Cut => SizeHint::default(),
            Source::Upstream(body) => body.size_hint(),
            Source::Stream(stream) => known(stream.length, self.sent),
        }
    }
}

fn known(length: Option<u64>, sent: u64) -> SizeHint {
    length
        .map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(sent)))
}

impl Body {
    fn is_spent(&self) -> bool {
        match &self.source {
            Source::Done => true,
            Source::Full(bytes) => bytes.is_empty(),
            Source::Answer(body) => body.length() == Some(self.sent),
            Source::Cut => false,
            Source::Upstream(body) => body.is_end_stream(),
            Source::Stream(stream) => stream.length == Some(self.sent),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let is_whole = matches!(self.source, Source::Done);
        self.end(is_whole);
    }
}
