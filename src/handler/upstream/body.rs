//! The body of an upstream's answer. Where it ends, its connection goes back to the pool.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, SizeHint};
use hyper::body::Incoming;

use crate::handler::body::Cut;
use crate::handler::idle::Idle;
use crate::handler::upstream::Pool;
use crate::handler::upstream::http1::Connection;

/// An answer's body, cut when it pauses for too long.
pub struct UpstreamBody {
    incoming: Incoming,
    idle: Idle,
    carrier: Option<Carrier>,
}

/// The connection that still brings an answer. Dropped before the answer's end, it is closed.
pub struct Carrier {
    connection: Box<Connection>,
    pool: Arc<Pool>,
}

impl Carrier {
    /// `connection`, of `pool`.
    #[must_use]
    pub fn new(connection: Box<Connection>, pool: Arc<Pool>) -> Self {
        Self { connection, pool }
    }

    /// The connection itself: it carries no HTTP any more.
    #[must_use]
    pub fn into_connection(self) -> Connection {
        *self.connection
    }

    /// Gives the connection back if its exchange is over.
    fn release(self) -> Option<Self> {
        if !self.connection.is_ready() {
            return Some(self);
        }
        self.pool.put(self.connection);
        None
    }
}

impl UpstreamBody {
    /// What `carrier` brings; `idle`: the longest pause.
    #[must_use]
    pub fn new(incoming: Incoming, carrier: Carrier, idle: Option<Duration>) -> Self {
        Self { incoming, carrier: carrier.release(), idle: Idle::new(idle) }
    }

    /// The next bytes. Trailers are dropped.
    pub fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Some(carrier) = &mut self.carrier {
                carrier.connection.drive(context);
            }
            // The connection was polled: what wakes it wakes the reader of its body.
            let mut asleep = Context::from_waker(Waker::noop());
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(&mut asleep) else {
                return self.idle.poll(context).map(|_| Some(Err(Cut)));
            };
            self.idle.rest();
            match frame {
                None => {
                    self.carrier = self.carrier.take().and_then(Carrier::release);
                    return Poll::Ready(None);
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(Cut))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        if self.incoming.is_end_stream() {
                            self.carrier = self.carrier.take().and_then(Carrier::release);
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
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
