//! A request's body on its way into a call that runs. The words for what went wrong with it stay here, on the floor of
//! HTTP; the call hears only why.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;

use crate::call::feed::Source;
use crate::call::{Failure, Feed, Reason};
use crate::handler::{Error, RequestBody};

/// What became of the body, for who answers its client.
#[derive(Clone, Default)]
pub struct Upload(Arc<Mutex<Option<Error>>>);

impl Upload {
    /// `body` for a call. Its time is the call's: only its silence is bounded here.
    #[must_use]
    pub fn begin(body: RequestBody) -> (Self, Feed) {
        let upload = Self::default();
        let feed = Feed::of(Reading { body: body.within(None), upload: upload.clone() });
        (upload, feed)
    }

    /// What to answer for `failure`.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Error {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (failure, error) {
            (Failure::Input(_), Some(error)) => error,
            (failure, _) => failure.into(),
        }
    }
}

struct Reading {
    body: RequestBody,
    upload: Upload,
}

impl Source for Reading {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        Pin::new(&mut self.body).poll_frame(context).map(|frame| {
            Some(match frame? {
                Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                Err(error) => {
                    let (_, reason) = error.status_and_reason();
                    *self.upload.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(reason)
                }
            })
        })
    }
}
