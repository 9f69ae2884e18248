//! System call filters of this process (`seccomp(2)`): [`program`] makes them, [`install`] puts one on, for good.

mod program;

use std::io;

pub use program::{Condition, Instruction, Rule, Verdict, decode, encode, program};

/// Whether this kernel takes filters, and this program knows its machine's calling convention.
///
/// # Errors
/// Why not.
pub fn supported() -> io::Result<()> {
    if program::ARCHITECTURE.is_none() {
        return Err(io::Error::other("no filters for this machine's architecture"));
    }
    let action = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the kernel reads one u32 behind the pointer and changes nothing.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Filters all further system calls of the calling thread and of what it starts. Needs no_new_privs, or CAP_SYS_ADMIN.
///
/// # Errors
/// Those of `seccomp(2)`: `EINVAL` for a program that the kernel does not take.
pub fn install(program: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has the layout of sock_filter; the kernel copies `length` of them and keeps no pointer.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
