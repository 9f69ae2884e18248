//! Calls that a test holds open: each connects here, tells its mark, and goes on when its [`Inside`] is dropped.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::wait::{PATIENCE, until};

/// Where held calls come to.
pub struct Gates(TcpListener);

/// A call that is inside its function.
pub struct Inside {
    /// What it was called with.
    pub mark: i32,
    stream: TcpStream,
}

impl Gates {
    /// On a free port.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// The port, as a query says it.
    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The keys of a function of the fixture `gate` that comes here; the mark is `?mark=…`.
    pub fn keys(&self, more: &str) -> String {
        let port = self.port();
        format!(
            "prototype = \"int gate(int port, int mark)\"\n\
             arguments = {{ port = {port}, mark = {{ query = \"mark\", default = 0 }} }}\n{more}"
        )
    }

    /// The next call that has begun.
    ///
    /// # Panics
    /// Where none begins within 5 s.
    #[track_caller]
    pub fn next(&self) -> Inside {
        self.within(PATIENCE).expect("no call began")
    }

    /// Whether no call has begun that was not taken by [`Gates::next`].
    pub fn is_quiet(&self) -> bool {
        self.within(Duration::ZERO).is_none()
    }

    fn within(&self, bound: Duration) -> Option<Inside> {
        let (mut stream, _) = until(bound, || self.0.accept().ok())?;
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut mark = [0; 4];
        stream.read_exact(&mut mark).unwrap();
        stream.set_nonblocking(true).unwrap();
        Some(Inside { mark: i32::from_ne_bytes(mark), stream })
    }
}

impl Inside {
    /// Whether its process is gone.
    pub fn is_gone(&self) -> bool {
        match (&self.stream).read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Lets it go on.
    pub fn release(self) {}
}
