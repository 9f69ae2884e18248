//! A worker in a wait that no signal ends: a file system that takes a request and never answers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;

use super::ground::{MODES, fault};
use crate::calls::ground::{of, problem, start_with};
use crate::support::process;
use crate::support::skip;

/// A mounted FUSE file system, <https://docs.kernel.org/filesystems/fuse.html>; dropped, all that wait in it go on.
struct Frozen {
    folder: tempfile::TempDir,
    device: Arc<File>,
}

/// Operations (`linux/fuse.h`).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const ENOSYS: i32 = 38;

impl Frozen {
    /// `None` where this machine has no FUSE, or this user may not mount.
    fn mount() -> Option<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let folder = tempfile::tempdir().unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0\0", device.as_raw_fd());
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("frozen", folder.path(), "fuse", flags, options).ok()?;
        let device = Arc::new(device);
        let served = Arc::clone(&device);
        std::thread::spawn(move || serve(&served));
        Some(Self { folder, device })
    }

    fn path(&self) -> String {
        self.folder.path().join("file").to_str().unwrap().to_owned()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // A forced unmount ends the connection, and with it every wait.
        let _gone = unmount(self.folder.path(), UnmountFlags::FORCE);
        let _gone = unmount(self.folder.path(), UnmountFlags::DETACH);
        let _open_until_here = &self.device;
    }
}

/// Answers all but what a look at a file asks.
fn serve(mut device: &File) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length) = device.read(&mut request) {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let (operation, unique) = (word(4), &request[8..16]);
        assert!(length >= 40);
        let (error, body) = match operation {
            LOOKUP | FORGET | INTERRUPT => continue,
            INIT => (0, started()),
            _ => (-ENOSYS, Vec::new()),
        };
        let size = u32::try_from(16 + body.len()).unwrap();
        let head = [&size.to_ne_bytes()[..], &error.to_ne_bytes()[..], unique].concat();
        if device.write_all(&[head, body].concat()).is_err() {
            return;
        }
    }
}

/// `struct fuse_init_out`: version 7.31, writes of 4 KiB, nothing else.
fn started() -> Vec<u8> {
    let mut words = [0_u32; 16];
    (words[0], words[1], words[5]) = (7, 31, 4096);
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[test]
fn a_frozen_file_system_holds_one_slot_and_nobody_else() {
    for (mode, keys) in MODES {
        let Some(frozen) = Frozen::mount() else {
            return skip("no FUSE file system can be mounted: /dev/fuse, as root");
        };
        let looks = format!(
            "prototype = \"int looks(const char *path)\"\narguments = {{ path = {{ const = \"{}\" }} }}\n\
             max_concurrency = 1\ntimeout = \"300ms\"\nkill_grace = \"100ms\"\n\
             queue = {{ length = 4, timeout = \"200ms\" }}\n{keys}",
            frozen.path()
        );
        let sections = "[server]\ndrain_timeout = \"20s\"\n";
        let mut cofferdam = start_with(sections, &[fault("hangs", "looks", &looks)]);
        let answer = cofferdam.get("/looks");
        problem(&answer, 504, "timeout");
        assert!(answer.elapsed < Duration::from_secs(2), "{:?}", answer.elapsed);
        let is_stuck = |process: &process::Process| process.state() == Some('D');
        eventually!(cofferdam.workers().into_iter().any(|worker| is_stuck(&worker)));
        let stuck = cofferdam.workers().into_iter().find(is_stuck).unwrap();
        assert_eq!(of(&cofferdam, "slots_in_use", "looks", &[]), 1.0, "{mode}");
        problem(&cofferdam.get("/looks"), 503, "queue_timeout");
        assert_eq!(cofferdam.get("/pong").text(), "pong\n");

        let told = Instant::now();
        cofferdam.signal(Signal::TERM);
        let status = cofferdam.wait(Duration::from_secs(15));
        assert!(status.success(), "{status:?}");
        assert!(told.elapsed() < Duration::from_secs(10), "{mode}: {:?}", told.elapsed());
        assert!(is_stuck(&stuck), "{mode}: it was not stuck");
        drop(frozen);
        process::no_process_left(&[stuck], Duration::from_secs(5));
    }
}
