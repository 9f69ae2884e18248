//! Who waits for what a call answers, and for how much of it.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::call::{Answer, BodySender, Outcome};

/// The asking side of a call.
pub(super) enum Client {
    /// Waits for the head, or the whole answer.
    Head(oneshot::Sender<Outcome>),
    /// Waits for more of the body: for so much, where its head has said so.
    Body(BodySender, Option<u64>),
    /// Has its answer, or has left.
    Served,
}

impl Client {
    /// Waits until the client leaves (true), or until it took what waited for it (false).
    pub(super) async fn leaves(&mut self) -> bool {
        match self {
            Client::Head(reply) => reply.closed().await,
            Client::Body(body, _) if body.is_full() => return !body.make_room().await,
            Client::Body(body, _) => body.left().await,
            Client::Served => std::future::pending().await,
        }
        true
    }

    pub(super) fn awaits_head(&self) -> bool {
        matches!(self, Client::Head(_))
    }

    /// Whether somebody has heard nothing yet, and wants to.
    pub(super) fn waits_for_head(&self) -> bool {
        matches!(self, Client::Head(reply) if !reply.is_closed())
    }

    /// Whether a piece of the body waits for the client.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Client::Body(body, _) if body.is_full())
    }

    /// Gives the whole answer, or cuts a body that was begun.
    pub(super) fn answer(&mut self, outcome: Outcome) {
        if let Client::Head(reply) = std::mem::replace(self, Client::Served) {
            let _client_left = reply.send(outcome);
        }
    }

    /// Gives the head of a streamed answer; false when one was given already.
    pub(super) fn begin(&mut self, body: BodySender, length: Option<u64>, head: Answer) -> bool {
        match std::mem::replace(self, Client::Body(body, length)) {
            Client::Head(reply) => {
                let _client_left = reply.send(Ok(head));
                true
            }
            Client::Body(..) | Client::Served => false,
        }
    }

    /// Adds to the body.
    ///
    /// # Errors
    /// There is no head, or the body is longer than that has said.
    pub(super) fn add(&mut self, piece: Vec<u8>) -> Result<(), &'static str> {
        let Client::Body(body, left) = self else { return Err("a body without a head") };
        if let Some(left) = left {
            let rest = left.checked_sub(piece.len() as u64);
            *left = rest.ok_or("a body longer than its announced length")?;
        }
        body.add(Bytes::from(piece));
        Ok(())
    }

    /// The body is over, and cut where it is not whole; false where none was begun.
    ///
    /// # Errors
    /// It is shorter than its head has said.
    pub(super) fn finish(&mut self, is_whole: bool) -> Result<bool, &'static str> {
        match std::mem::replace(self, Client::Served) {
            Client::Body(_, Some(1..)) if is_whole => {
                Err("a body shorter than its announced length")
            }
            Client::Body(body, _) => {
                if is_whole {
                    body.finish();
                }
                Ok(true)
            }
            other => {
                *self = other;
                Ok(false)
            }
        }
    }
}
