//! Log lines leave through one bounded channel and one thread: whoever reads them slowly costs lines, counted, never a request.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use prometheus::IntCounter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader.
const BACKLOG: usize = 4096;
/// Of a file that is made.
const MODE: u32 = 0o640;

/// Writes whole lines to one place without ever blocking its caller.
#[derive(Clone)]
pub struct LineWriter {
    lines: SyncSender<Message>,
    dropped: IntCounter,
    reopen: Arc<AtomicBool>,
}

/// The thread behind a [`LineWriter`]; dropping it writes what still waits, for a bounded time.
pub struct Flusher {
    finished: Receiver<()>,
    stop: SyncSender<Message>,
}

/// What the thread is told.
enum Message {
    Line(Vec<u8>),
    /// Wakes it to see that it is to reopen its file.
    Wake,
    Stop,
}

impl LineWriter {
    /// Starts the thread `log`, which writes to standard error.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(dropped: IntCounter) -> io::Result<(Self, Flusher)> {
        Self::spawn("log", dropped, Sink::Stderr)
    }

    /// Starts the thread `access-log`, which adds to a file.
    ///
    /// # Errors
    /// As `open(2)`, `pthread_create(3)`.
    pub fn to_file(path: PathBuf, dropped: IntCounter) -> io::Result<(Self, Flusher)> {
        let file = open(&path)?;
        Self::spawn("access-log", dropped, Sink::File { path, file })
    }

    fn spawn(name: &str, dropped: IntCounter, sink: Sink) -> io::Result<(Self, Flusher)> {
        let (lines, waiting) = sync_channel(BACKLOG);
        let (finish, finished) = sync_channel(1);
        let reopen = Arc::new(AtomicBool::new(false));
        let (stop, asked, lost) = (lines.clone(), Arc::clone(&reopen), dropped.clone());
        thread::Builder::new().name(name.into()).spawn(move || {
            write_all(sink, &waiting, &asked, &lost);
            let _nobody_waits = finish.send(());
        })?;
        Ok((Self { lines, dropped, reopen }, Flusher { finished, stop }))
    }

    /// Queues one line with its newline; a full queue drops and counts it.
    pub fn write_line(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.dropped.inc();
        }
    }

    /// Has the file opened anew before the next line: the old one was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // A full queue wakes it as well.
        let _it_is_awake = self.lines.try_send(Message::Wake);
    }
}

/// Where lines go.
enum Sink {
    Stderr,
    File { path: PathBuf, file: File },
}

impl Sink {
    /// A file that cannot be opened anew is kept: its lines are somewhere at least.
    fn reopen(&mut self) {
        if let Sink::File { path, file } = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::warn!("{} cannot be opened anew: {error}", path.display());
                }
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stderr => io::stderr().write(bytes),
            Sink::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// Lines that wait together are written together.
fn write_all(sink: Sink, waiting: &Receiver<Message>, reopen: &AtomicBool, lost: &IntCounter) {
    let mut sink = BufWriter::new(sink);
    while let Some(message) = next(&mut sink, waiting, lost) {
        if reopen.swap(false, Ordering::Acquire) {
            flush(&mut sink, lost);
            sink.get_mut().reopen();
        }
        match message {
            Message::Line(line) => {
                if sink.write_all(&line).is_err() {
                    lost.inc();
                }
            }
            Message::Wake => {}
            Message::Stop => break,
        }
    }
    flush(&mut sink, lost);
}

/// The next message; before it waits for one, everything is written.
fn next(
    sink: &mut BufWriter<Sink>,
    waiting: &Receiver<Message>,
    lost: &IntCounter,
) -> Option<Message> {
    waiting.try_recv().ok().or_else(|| {
        flush(sink, lost);
        waiting.recv().ok()
    })
}

/// A full disk or a reader that has gone costs what is in the buffer, or it would be tried for ever.
fn flush(sink: &mut BufWriter<Sink>, lost: &IntCounter) {
    if sink.flush().is_err() {
        let lines = sink.buffer().iter().filter(|byte| **byte == b'\n').count();
        lost.inc_by(lines as u64);
        discard(sink);
    }
}

fn discard(sink: &mut BufWriter<Sink>) {
    let taken = std::mem::replace(sink, BufWriter::new(Sink::Stderr));
    let (inner, _lost) = taken.into_parts();
    *sink = BufWriter::new(inner);
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if self.stop.try_send(Message::Stop).is_ok() {
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

/// `1 core`, `2 cores`.
#[must_use]
pub fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
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
        let writer = LineWriter { lines, dropped: dropped.clone(), reopen: Arc::default() };
        for _ in 0..3 {
            writer.write_line(b"line\n".to_vec());
        }
        assert_eq!(dropped.get(), 2);
    }
}
