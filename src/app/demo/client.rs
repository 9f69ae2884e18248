//! A client with one keep-alive connection that takes the time of each answer.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClientError {
    #[error(
        "cannot connect to {address}: {source}; `ulimit -n` must allow a descriptor for each client"
    )]
    Connect { address: SocketAddr, source: io::Error },
    #[error("http://{address}{path} broke off: {source}")]
    Broken { address: SocketAddr, path: &'static str, source: hyper::Error },
    #[error("http://{address}{path} is no request: {source}")]
    Request { address: SocketAddr, path: &'static str, source: http::Error },
    #[error("http://{address}{path} answered {status}: {body}")]
    Status { address: SocketAddr, path: &'static str, status: StatusCode, body: String },
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Connect`], [`ClientError::Broken`].
    pub async fn open(address: SocketAddr) -> Result<Self, ClientError> {
        let connect = |source| ClientError::Connect { address, source };
        let stream = TcpStream::connect(address).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) =
            shaken.map_err(|source| ClientError::Broken { address, path: "/", source })?;
        // What ends the connection also ends the request on it, which reports it.
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// `GET path`, and how long it took from here to the last byte of a 200.
    ///
    /// # Errors
    /// [`ClientError::Broken`], [`ClientError::Status`], [`ClientError::Request`].
    pub async fn time(&mut self, path: &'static str) -> Result<Duration, ClientError> {
        let address = self.address;
        let begun = Instant::now();
        let request = Request::get(path).header(HOST, address.to_string()).body(Empty::new());
        let request = request.map_err(|source| ClientError::Request { address, path, source })?;
        let broken = |source| ClientError::Broken { address, path, source };
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        if status == StatusCode::OK {
            return Ok(begun.elapsed());
        }
        let body = String::from_utf8_lossy(&body).trim_end().to_owned();
        Err(ClientError::Status { address, path, status, body })
    }
}
