//! An upstream that does nothing by itself: a test accepts, reads and writes step by step, and so knows what came when.

use std::io::{self, ErrorKind};
use std::net::TcpListener;

use super::http::Connection;
use super::place::{Place, Stream};
use super::wait::{PATIENCE, until};

/// A listening socket.
pub struct ByHand {
    listener: TcpListener,
}

impl ByHand {
    /// Listens on a free port.
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    /// As a configuration says it.
    pub fn url(&self) -> String {
        Place::Tcp(self.listener.local_addr().unwrap()).url()
    }

    /// The next connection.
    ///
    /// # Panics
    /// Where none comes within 5 s.
    #[track_caller]
    pub fn accept(&self) -> Connection {
        let accepted = until(PATIENCE, || match self.listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            accepted => Some(accepted),
        });
        let (stream, _) = accepted.expect("no connection came").unwrap();
        stream.set_nonblocking(false).unwrap();
        let stream = Stream::Tcp(stream);
        stream.set_timeout(Some(super::http::TIMEOUT)).unwrap();
        Connection::from_stream(stream)
    }

    /// The next connection and the head of its first request.
    ///
    /// # Panics
    /// As [`ByHand::accept`].
    #[track_caller]
    pub fn request(&self) -> (Connection, String) {
        let mut connection = self.accept();
        let head = connection.head().unwrap();
        (connection, String::from_utf8(head).unwrap())
    }
}

/// One chunk of a chunked body; an empty one is its end.
pub fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// Reads one chunk of text.
pub fn read_chunk(connection: &mut Connection) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_chunk_bytes(connection)?).into_owned())
}

/// Reads one chunk.
pub fn read_chunk_bytes(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let size = connection.line()?.unwrap_or_default();
    let size = usize::from_str_radix(&size, 16).map_err(|_| io::Error::other(size.clone()))?;
    let mut data = connection.exactly(size + 2)?;
    data.truncate(size);
    Ok(data)
}
