//! The real worker program on one end of a socket, and this test as its proxy on the other.

mod examples;
mod functions;
mod handlers;
mod header;
mod life;
mod program;
mod start;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use cofferdam::ffi::callee::Callee;
use cofferdam::ffi::signature::{Return, Signature, Slot};
use cofferdam::ffi::value::{Scalar, Value};
use cofferdam::wire::codec::{decode_from_worker, encode_to_worker, frame_len};
use cofferdam::wire::{
    CallFrame, Confinement, Entry, FromWorker, Hello, Input, Life, Phase, Ready, Request, Spent,
    ToWorker, VERSION,
};

use crate::support::clib::library;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam-worker");

/// A worker under test; dropped, it is killed and reaped.
struct Worker {
    child: Child,
    control: UnixStream,
}

/// What came of one call.
struct Done {
    returned: Value,
    outputs: Vec<Value>,
    spent: Spent,
}

impl Worker {
    fn spawn() -> Self {
        Self::start(&mut Command::new(PROGRAM))
    }

    fn start(command: &mut Command) -> Self {
        let (control, theirs) = UnixStream::pair().unwrap();
        control.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, control }
    }

    /// Greeted, and READY.
    fn ready(path: &Path, entry: Entry) -> Self {
        Self::ready_with(path, entry).0
    }

    fn ready_with(path: &Path, entry: Entry) -> (Self, Ready) {
        Self::greeted(path, entry).wait_ready()
    }

    fn wait_ready(self) -> (Self, Ready) {
        let mut worker = self;
        match worker.receive() {
            Some(FromWorker::Ready(ready)) => (worker, ready),
            other => panic!("not ready: {other:?}"),
        }
    }

    fn greeted(path: &Path, entry: Entry) -> Self {
        let mut worker = Self::spawn();
        worker.send(&ToWorker::Hello(hello(path, entry)));
        worker
    }

    fn send(&mut self, message: &ToWorker) {
        let mut frame = Vec::new();
        encode_to_worker(message, &mut frame);
        self.control.write_all(&frame).unwrap();
    }

    /// The next frame; `None` when the worker has closed the socket.
    fn receive(&mut self) -> Option<FromWorker> {
        let mut header = [0; 4];
        match self.control.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer"),
            Err(_) => return None,
        }
        let mut payload = vec![0; frame_len(header, 16 << 20).unwrap()];
        self.control.read_exact(&mut payload).unwrap();
        Some(decode_from_worker(&payload).unwrap())
    }

    fn call(&mut self, input: Input) {
        self.send(&ToWorker::Call(CallFrame { id: 7, time_left_ms: 5000, input }));
    }

    fn run(&mut self, values: &[Value]) -> Done {
        self.call(Input::Values(values.to_vec()));
        match self.receive() {
            Some(FromWorker::Returned { id: 7, returned, spent }) => {
                Done { returned: returned.value, outputs: returned.outputs, spent }
            }
            other => panic!("not returned: {other:?}"),
        }
    }

    /// Its whole end: exit status, standard output and standard error.
    fn end(mut self) -> (ExitStatus, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap(), out, err)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hello(path: &Path, entry: Entry) -> Hello {
    Hello {
        version: VERSION,
        parent: std::process::id(),
        name: "cof:test".into(),
        library: path.as_os_str().as_encoded_bytes().to_vec(),
        search_path: None,
        entry,
        confinement: Confinement::least(),
        life: Life::Once,
        is_template: false,
        reports: false,
    }
}

fn function(symbol: &str, returns: Return, slots: &[Slot]) -> Entry {
    let signature = Signature { returns, slots: slots.to_vec() };
    Entry::Function(Box::new(Callee::plain(symbol, signature)))
}

fn int_main() -> Entry {
    int("main", 0)
}

/// `int SYMBOL(int, …)`.
fn int(symbol: &str, parameters: usize) -> Entry {
    function(symbol, Return::Scalar(Scalar::I32), &vec![Slot::Scalar(Scalar::I32); parameters])
}

fn handler(symbol: &str) -> Entry {
    Entry::Handler { symbol: symbol.into() }
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}
