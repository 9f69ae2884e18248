//! WebSocket through a proxied route (RFC 6455, RFC 9110 section 7.8): no other protocol is switched to, and no byte
//! passes before the upstream's 101.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};
use tokio::time::sleep;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A client that asks for a WebSocket.
pub struct Upgrade(OnUpgrade);

impl Upgrade {
    /// Takes the wish out of a request: a GET of HTTP/1.1 without a body.
    pub fn asked_by(head: &mut Parts) -> Option<Self> {
        // hyper leaves it there where there is an `Upgrade`; nobody else pays for more.
        let client = head.extensions.remove::<OnUpgrade>()?;
        let has_body = match head.headers.get(CONTENT_LENGTH) {
            Some(length) => length != "0",
            None => head.headers.contains_key(TRANSFER_ENCODING),
        };
        let is_get = head.method == Method::GET && head.version == Version::HTTP_11;
        let is_asked = is_get && !has_body && is_listed(&head.headers);
        (is_asked && is_websocket(&head.headers)).then_some(Self(client))
    }

    /// Whether an upstream's 101 is what was asked for.
    #[must_use]
    pub fn is_granted_by(headers: &HeaderMap) -> bool {
        is_websocket(headers)
    }

    /// Passes bytes both ways once the client has its 101, until a side ends or both are silent for `limit`.
    /// `read` came from the upstream after its head; `kept` lives as long as the tunnel.
    pub async fn tunnel<S>(
        self,
        mut upstream: S,
        read: Bytes,
        limit: Option<Duration>,
        kept: impl Send,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let _kept = kept;
        let Ok(client) = self.0.await else { return };
        let has_moved = Arc::new(AtomicBool::new(false));
        let mut client =
            Watched { stream: TokioIo::new(client), has_moved: Arc::clone(&has_moved) };
        let passed = async {
            client.write_all(&read).await?;
            copy_bidirectional(&mut client, &mut upstream).await
        };
        tokio::select! {
            _ended = passed => {}
            () = silence(limit, &has_moved) => tracing::debug!("a tunnel was silent for {limit:?}"),
        }
    }
}

/// Marks a head as the upgrade that it asks for, or grants; its own marks were stripped.
pub fn mark(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut wanted = headers.get_all(UPGRADE).iter();
    match (wanted.next(), wanted.next()) {
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()),
        _ => false,
    }
}

/// RFC 9110 section 7.8: an `Upgrade` that `Connection` does not list is not meant for the next hop.
fn is_listed(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|list| list.to_str().ok());
    let mut options = lists.flat_map(|list| list.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

/// Ends when nothing has moved for `limit`, at the latest twice as long after the last byte.
async fn silence(limit: Option<Duration>, has_moved: &AtomicBool) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        sleep(limit).await;
        if !has_moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

/// A stream that tells whether it is used.
struct Watched<S> {
    stream: S,
    has_moved: Arc<AtomicBool>,
}

impl<S> Watched<S> {
    fn moved(&self) {
        self.has_moved.store(true, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.moved();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.moved();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
