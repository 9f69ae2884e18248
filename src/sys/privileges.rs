//! Who this process acts for, and what it may do beyond that user's rights (`credentials(7)`, `capabilities(7)`).

use std::ffi::CString;
use std::io;

/// Whether this process may become another user (CAP_SETUID and CAP_SETGID).
#[must_use]
pub fn may_change_user() -> bool {
    const SETGID: u32 = 6;
    const SETUID: u32 = 7;
    let wanted = 1 << SETGID | 1 << SETUID;
    held().is_ok_and(|held| held & wanted == wanted)
}

/// The user that this process acts as.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Becomes another user with one group and no other, for good. The process stays dumpable: whoever may read what it is
/// blocked on still may, where it has CAP_SYS_PTRACE or is that user.
///
/// # Errors
/// `EPERM` without CAP_SETUID and CAP_SETGID.
pub fn become_user(user: u32, group: u32) -> io::Result<()> {
    // SAFETY: an empty list is read from nowhere; this process has one thread, so none keeps its old rights.
    let failed = unsafe {
        libc::setgroups(0, std::ptr::null()) != 0
            || libc::setresgid(group, group, group) != 0
            || libc::setresuid(user, user, user) != 0
            || libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// The capabilities in force, a bit for each.
///
/// # Errors
/// Those of `capget(2)`.
pub fn held() -> io::Result<u64> {
    let [low, high] = read()?;
    Ok(u64::from(low.effective) | u64::from(high.effective) << 32)
}

fn read() -> io::Result<[Words; 2]> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: both pointers are to live locals with the kernel's layout for this version.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    if answer == 0 { Ok(words) } else { Err(io::Error::last_os_error()) }
}

/// Gives up all capabilities but those of `kept`, for good under no_new_privs.
///
/// # Errors
/// Those of `capset(2)`.
pub fn keep_only(kept: u64) -> io::Result<()> {
    let mut words = read()?;
    if words.iter().all(|words| words.permitted == 0) {
        return Ok(());
    }
    for (words, kept) in words.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        words.permitted &= kept;
        words.effective &= kept;
        words.inheritable = 0;
    }
    let mut header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: as in `read`.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The ids of a user and of its own group, by name (`getpwnam(3)`). Reads files and may ask the network: not for workers.
#[must_use]
pub fn user_named(name: &str) -> Option<(u32, u32)> {
    let name = CString::new(name).ok()?;
    // SAFETY: an all-zero passwd is a valid value of this plain C struct.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let mut text = vec![0; 16 * 1024];
    // SAFETY: all pointers are to live locals, and the length is the buffer's own.
    let answer = unsafe {
        libc::getpwnam_r(
            name.as_ptr(),
            &raw mut entry,
            text.as_mut_ptr(),
            text.len(),
            &raw mut found,
        )
    };
    (answer == 0 && !found.is_null()).then_some((entry.pw_uid, entry.pw_gid))
}

/// The id of a group by name (`getgrnam(3)`).
#[must_use]
pub fn group_named(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: an all-zero group is a valid value of this plain C struct.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let mut text = vec![0; 64 * 1024];
    // SAFETY: all pointers are to live locals, and the length is the buffer's own.
    let answer = unsafe {
        libc::getgrnam_r(
            name.as_ptr(),
            &raw mut entry,
            text.as_mut_ptr(),
            text.len(),
            &raw mut found,
        )
    };
    (answer == 0 && !found.is_null()).then_some(entry.gr_gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_have_names() {
        assert_eq!(user_named("root"), Some((0, 0)));
        assert_eq!(group_named("root"), Some(0));
        assert_eq!(user_named("no such user"), None);
        assert_eq!(group_named("a\0b"), None);
    }

    #[test]
    fn what_is_held_can_be_read() {
        assert!(user() != 0 || held().is_ok());
    }
}
