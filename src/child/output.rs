//! What a library prints: read so that it never blocks, cut at a limit and counted, its last lines kept for the log.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

use crate::telemetry::log::escape;

/// Bytes kept of one worker's output, of each stream: the last ones.
const KEPT: usize = 4096;
/// Read at once.
const CHUNK: usize = 8192;

/// One captured stream of a worker.
#[derive(Debug)]
pub struct Output {
    pipe: Receiver,
    kept: Kept,
}

impl Output {
    /// Registers the reading end of a pipe, which must not block, with the caller's runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn new(pipe: OwnedFd) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd_unchecked(pipe)?;
        Ok(Self { pipe, kept: Kept { is_open: true, tail: Vec::new(), total: 0 } })
    }

    /// The pipe, free of any runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn into_inner(self) -> io::Result<OwnedFd> {
        self.pipe.into_nonblocking_fd()
    }

    /// Waits for output and takes it in.
    pub async fn absorb(&mut self) {
        let _an_error_shows_in_the_read = self.pipe.readable().await;
        let mut buffer = [0; CHUNK];
        match self.pipe.try_read(&mut buffer) {
            Ok(count) if count > 0 => self.kept.keep(&buffer[..count]),
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.kept.is_open = false,
        }
    }

    /// Takes in what is there now, without waiting for the runtime to notice it: for a worker that has ended.
    /// Bounded, since a process it left behind may go on printing.
    pub fn absorb_now(&mut self) {
        let mut buffer = [0; CHUNK];
        for _ in 0..8 {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(count) if count > 0 => self.kept.keep(&buffer[..count]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Forgets what was printed: it was another call's.
    pub fn clear(&mut self) {
        self.kept.tail.clear();
        self.kept.total = 0;
    }

    /// Whether there may be more.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.kept.is_open
    }

    /// What was printed; see [`Kept::text`].
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.kept.text()
    }
}

/// The end of a stream.
#[derive(Debug)]
struct Kept {
    is_open: bool,
    tail: Vec<u8>,
    total: u64,
}

impl Kept {
    fn keep(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
    }

    /// What was printed, escaped; where it was cut, with the number of bytes lost. `None`: nothing was.
    fn text(&self) -> Option<String> {
        let lost = self.total - self.tail.len() as u64;
        let text = escape(self.tail.trim_ascii_end());
        match (self.total, lost) {
            (0, _) => None,
            (_, 0) => Some(text),
            _ => Some(format!("[{lost} bytes cut] {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept_and_the_loss_is_told() {
        let mut kept = Kept { is_open: true, tail: Vec::new(), total: 0 };
        assert_eq!(kept.text(), None);
        kept.keep(b"hello\x1b[2J\n");
        assert_eq!(kept.text().unwrap(), "hello\\u{1b}[2J");
        kept.keep(&vec![b'x'; KEPT * 2]);
        kept.keep(b"end");
        assert_eq!(kept.tail.len(), KEPT);
        let text = kept.text().unwrap();
        assert!(text.starts_with("[4109 bytes cut] xxx") && text.ends_with("xend"));
    }
}
