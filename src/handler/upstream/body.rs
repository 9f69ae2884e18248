//! The body of an upstream's answer. Where it ends, its connection goes back to the pool.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::handler::body::Cut;
use crate::handler::idle::Idle;
use crate::handler::upstream::http1::Connection;
use crate::handler::upstream::{Lease, Pool, Trouble, http2};

/// An answer's body, cut when it pauses for too long.
pub struct UpstreamBody {
    incoming: Incoming,
    idle: Idle,
    carrier: Option<Carrier>,
    has_trailers: bool,
}

/// How an answer comes.
pub enum Way {
    /// The request drives the connection that it has for itself.
    Http1(Box<Connection>),
    /// So it did, until its answer came before all of it was sent.
    Alone,
    /// The connection has a task of its own, and other requests.
    Http2(http2::Use),
}

/// What still brings an answer. Dropped before the answer's end, an HTTP/1 connection is closed.
pub struct Carrier {
    way: Way,
    pool: Arc<Pool>,
    lease: Lease,
}

impl Carrier {
    /// `way`, whose connection goes back to `pool`; `lease` is held as long.
    #[must_use]
    pub fn new(way: Way, pool: Arc<Pool>, lease: Lease) -> Self {
        Self { way, pool, lease }
    }

    /// Of the request.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The way itself, where it carries no HTTP any more, and what must be held as long as it is used.
    #[must_use]
    pub fn into_parts(self) -> (Way, Lease) {
        (self.way, self.lease)
    }

    /// Gives the connection back if its exchange is over.
    fn release(self, has_ended: bool) -> Option<Self> {
        match self.way {
            Way::Http1(connection) if connection.is_ready() => {
                self.pool.put_for(self.lease.endpoint(), connection);
                None
            }
            Way::Alone | Way::Http2(_) if has_ended => None,
            way => Some(Self { way, ..self }),
        }
    }
}

impl UpstreamBody {
    /// What `carrier` brings; `idle`: the longest pause.
    #[must_use]
    pub fn new(incoming: Incoming, carrier: Carrier, idle: Option<Duration>) -> Self {
        let carrier = carrier.release(incoming.is_end_stream());
        Self { incoming, carrier, idle: Idle::new(idle), has_trailers: false }
    }

    /// Passes trailers on if `has_trailers`; else they are dropped.
    #[must_use]
    pub fn with_trailers(mut self, has_trailers: bool) -> Self {
        self.has_trailers = has_trailers;
        self
    }

    /// The next piece.
    pub fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            let Poll::Ready(frame) = self.poll_incoming(context) else {
                return self.idle.poll(context).map(|limit| {
                    self.blame(Trouble::Timeout, &format!("its answer paused for {limit:?}"));
                    Some(Err(Cut))
                });
            };
            self.idle.rest();
            match frame {
                None => {
                    self.release();
                    return Poll::Ready(None);
                }
                Some(Err(problem)) => {
                    self.blame(Trouble::Reset, &problem);
                    return Poll::Ready(Some(Err(Cut)));
                }
                Some(Ok(frame)) if frame.is_trailers() && !self.has_trailers => {}
                Some(Ok(frame)) => {
                    if self.incoming.is_end_stream() {
                        self.release();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
        }
    }

    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.carrier {
            Some(Carrier { way: Way::Http1(connection), .. }) => {
                connection.poll_body(&mut self.incoming, context)
            }
            _ => Pin::new(&mut self.incoming).poll_frame(context),
        }
    }

    fn release(&mut self) {
        self.carrier = self.carrier.take().and_then(|carrier| carrier.release(true));
    }

    fn blame(&self, trouble: Trouble, problem: &dyn Display) {
        if let Some(carrier) = &self.carrier {
            carrier.lease.failed(trouble, problem);
        }
    }

    /// Whether all has come.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// Of what is still to come.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
