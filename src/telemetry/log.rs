//! Log lines leave through one bounded channel and one thread: whoever reads them slowly costs lines, counted, never a request.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use prometheus::IntCounter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader.
const BACKLOG: usize = 4096;

/// Writes whole lines to standard error without ever blocking its caller.
#[derive(Clone)]
pub struct LineWriter {
    lines: SyncSender<Vec<u8>>,
    dropped: IntCounter,
}

/// The thread behind a [`LineWriter`]; dropping it writes what still waits, for a bounded time.
pub struct Flusher {
    finished: Receiver<()>,
    stop: SyncSender<Vec<u8>>,
}

impl LineWriter {
    /// Starts the thread `log`.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(dropped: IntCounter) -> io::Result<(Self, Flusher)> {
        let (lines, waiting) = sync_channel::<Vec<u8>>(BACKLOG);
        let (finish, finished) = sync_channel(1);
        thread::Builder::new().name("log".into()).spawn(move || {
            write_all(&waiting);
            let _nobody_waits = finish.send(());
        })?;
        let stop = lines.clone();
        Ok((Self { lines, dropped }, Flusher { finished, stop }))
    }

    /// Queues one line with its newline; a full queue drops and counts it.
    pub fn write_line(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.dropped.inc();
        }
    }
}

/// An empty line is the sign to stop.
fn write_all(waiting: &Receiver<Vec<u8>>) {
    while let Ok(line) = waiting.recv() {
        if line.is_empty() {
            return;
        }
        let _reader_is_gone = io::stderr().write_all(&line);
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if self.stop.try_send(Vec::new()).is_ok() {
            let _too_slow = self.finished.recv_timeout(std::time::Duration::from_secs(1));
        }
    }
}

/// One event of `tracing` is formatted into one write.
impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_line(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Sends `tracing` events of this program to `writer`: text for people, or one JSON object a line.
/// Only the first call in a process has an effect.
pub fn install(writer: LineWriter, level: LevelFilter, json: bool) {
    let builder = tracing_subscriber::fmt().with_max_level(level).with_target(false);
    let _already_installed = if json {
        let builder = builder.json().flatten_event(true).with_current_span(false);
        tracing::subscriber::set_global_default(builder.with_writer(writer).finish())
    } else {
        let builder = builder.with_ansi(io::stderr().is_terminal());
        tracing::subscriber::set_global_default(builder.with_writer(writer).finish())
    };
}

/// `text` with control characters escaped, so that a hostile byte cannot forge a line or drive a terminal.
#[must_use]
pub fn escape(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '\t' => escaped.push(character),
            _ if character.is_control() => escaped.extend(character.escape_default()),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let rows: [(&[u8], &str); 4] = [
            (b"plain", "plain"),
            (b"a\nb", "a\\nb"),
            (b"\x1b[31mred", "\\u{1b}[31mred"),
            (b"\xff\t", "\u{fffd}\t"),
        ];
        for (raw, expected) in rows {
            assert_eq!(escape(raw), expected);
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (lines, _reader_never_reads) = sync_channel(1);
        let dropped = IntCounter::new("dropped", "for this test").unwrap();
        let writer = LineWriter { lines, dropped: dropped.clone() };
        for _ in 0..3 {
            writer.write_line(b"line\n".to_vec());
        }
        assert_eq!(dropped.get(), 2);
    }
}
