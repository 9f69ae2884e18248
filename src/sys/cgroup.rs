//! Control groups as folders (`cgroups(7)`), versions 1 and 2: the caller knows which files a version has.

use std::fs;
use std::io;
use std::path::Path;

/// The file that lists a group's processes, and moves one that is written to it.
const MEMBERS: &str = "cgroup.procs";

/// Makes the group `folder` with these files set. One that is there is taken as it is.
///
/// # Errors
/// Those of `mkdir(2)` and of writing: no right to, a file that the group does not have.
pub fn make(folder: &Path, settings: &[(String, String)]) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(problem) if problem.kind() != io::ErrorKind::AlreadyExists => return Err(problem),
        _ => {}
    }
    settings.iter().try_for_each(|(file, value)| set(folder, file, value))
}

/// Writes one file of a group.
///
/// # Errors
/// Those of writing.
pub fn set(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    // Not `fs::write`: it would ask to truncate, and to create what no group has.
    let mut opened = fs::OpenOptions::new().write(true).open(folder.join(file))?;
    io::Write::write_all(&mut opened, value.as_bytes())
}

/// Moves this process into the group.
///
/// # Errors
/// Those of writing: no right to, a group that takes no processes.
pub fn join(folder: &Path) -> io::Result<()> {
    set(folder, MEMBERS, "0")
}

/// The processes of the group, without those of groups below.
#[must_use]
pub fn members(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join(MEMBERS)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A number behind a word in a file of `WORD NUMBER` lines; `None` where the file or the word is not there.
#[must_use]
pub fn count(folder: &Path, file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    let of = |line: &str| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(of)
}

/// Removes an empty group.
///
/// # Errors
/// `EBUSY` while a process is in it, a zombie too.
pub fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_dir(folder)
}
