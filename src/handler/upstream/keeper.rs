//! Exchanges that nobody waits for any more. Closing their connections at once would let a client that resets what it asks
//! make an app accept one connection after another, and its queue is short (CVE-2023-44487 reaches who stands behind, too).

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::handler::upstream::http1::Exchange;
use crate::handler::upstream::{Endpoint, Pool};

/// To end in; then the app sees that its client has left.
const GRACE: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read for nobody.
const MOST_READ: usize = 256 * 1024;

/// Gives connections back to their pool, once what was asked on them has been answered.
pub struct Keeper {
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
}

impl Keeper {
    /// Of connections to `endpoint`.
    #[must_use]
    pub fn new(pool: Arc<Pool>, endpoint: Arc<Endpoint>) -> Self {
        Self { pool, endpoint }
    }

    /// Lets `exchange` end, where there are not too many such already.
    pub fn finish(self, exchange: Exchange) {
        let (Some(place), Ok(runtime)) = (self.pool.abandon(), Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            let _place = place;
            let _too_slow = timeout(GRACE, self.read(exchange)).await;
        });
    }

    async fn read(self, exchange: Exchange) {
        let (mut connection, answer) = exchange.await;
        let Ok(mut body) = answer.map(http::Response::into_body) else { return };
        let mut left = MOST_READ;
        while let Some(Ok(frame)) =
            poll_fn(|context| connection.poll_body(&mut body, context)).await
        {
            let length = frame.data_ref().map_or(0, bytes::Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
        if connection.is_ready() {
            self.pool.put_for(&self.endpoint, connection);
        }
    }
}
