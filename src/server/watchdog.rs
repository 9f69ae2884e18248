//! Says of an event loop that is held what holds it, while it does: afterwards nobody can tell.

use std::io;
use std::sync::Weak;
use std::thread;

use tracing::warn;

use crate::server::probe::{PROBE, Turn};
use crate::sys::procfs::{self, Doing};
use crate::sys::syscalls;

/// Looks at `turns`, on a thread of its own, for as long as there are loops.
///
/// # Errors
/// As `pthread_create(3)`.
pub fn start(turns: Vec<Weak<Turn>>) -> io::Result<()> {
    let look = move || {
        let mut any = true;
        while any {
            thread::park_timeout(PROBE);
            any = turns.iter().filter_map(Weak::upgrade).map(|turn| look(&turn)).count() > 0;
        }
    };
    thread::Builder::new().name("watchdog".into()).spawn(look).map(drop)
}

fn look(turn: &Turn) {
    let Some(held) = turn.new_stall() else { return };
    let (number, thread) = (turn.number, turn.thread());
    let Doings { told, syscall, descriptor, wait_channel } = Doings::of(thread);
    warn!(
        thread,
        syscall,
        descriptor,
        wait_channel,
        "event loop {number} is held, for {held:?} so far, and every request on it waits: its thread loop-{number} {told}"
    );
}

/// What a thread does, as far as the kernel says.
struct Doings {
    told: String,
    syscall: Option<&'static str>,
    descriptor: Option<String>,
    wait_channel: Option<String>,
}

impl Doings {
    fn of(thread: u32) -> Self {
        let (told, syscall, descriptor) = match procfs::doing(thread) {
            Some(Doing::Syscall { number, arguments, .. }) => match syscalls::called(number) {
                Some(name) => {
                    (format!("is in {name}"), Some(name), descriptor(thread, number, arguments[0]))
                }
                None => ("waits outside any system call".to_owned(), None, None),
            },
            Some(Doing::Running) => ("computes".to_owned(), None, None),
            None => ("does what the kernel does not say".to_owned(), None, None),
        };
        Self { told, syscall, descriptor, wait_channel: procfs::wait_channel(thread) }
    }
}

/// What the descriptor is that the system call is about, where it is about one.
fn descriptor(thread: u32, number: i64, argument: u64) -> Option<String> {
    let takes_one = syscalls::takes_descriptor(syscalls::index(number));
    let target = takes_one.then(|| procfs::descriptor_target(thread, argument))??;
    Some(target.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_of_this_program_is_seen_where_it_is() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let (say, said) = channel();
        let reader = thread::spawn(move || {
            say.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
            here.read(&mut [0]).unwrap()
        });
        let thread = said.recv().unwrap();
        let doing = loop {
            let doing = Doings::of(thread);
            if doing.descriptor.is_some() {
                break doing;
            }
            thread::yield_now();
        };
        assert!(["read", "recvfrom"].contains(&doing.syscall.unwrap()), "{:?}", doing.syscall);
        assert!(doing.descriptor.unwrap().starts_with("socket:["));
        drop(there);
        assert_eq!(reader.join().unwrap(), 0);
        let me = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        assert!(Doings::of(me).syscall.is_none_or(|name| name == "read"), "it reads its own file");
    }
}
