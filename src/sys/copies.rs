//! Copies of files that live in memory alone (`memfd_create(2)`): where one is mapped, no path shows that could be opened.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// By inode.
static COPIES: Mutex<Vec<(u64, Weak<File>)>> = Mutex::new(Vec::new());

/// Makes a copy known, for as long as it lives.
///
/// # Errors
/// As `fstat(2)`.
pub fn know(copy: &Arc<File>) -> io::Result<()> {
    let inode = copy.metadata()?.ino();
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    copies.retain(|(_, known)| known.strong_count() > 0);
    copies.push((inode, Arc::downgrade(copy)));
    Ok(())
}

/// The copy with this inode, opened anew.
#[must_use]
pub fn open(inode: u64) -> Option<File> {
    let copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = copies.iter().find(|(known, _)| *known == inode)?.1.upgrade()?;
    drop(copies);
    File::open(format!("/proc/self/fd/{}", copy.as_raw_fd())).ok()
}
