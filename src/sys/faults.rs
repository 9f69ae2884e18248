//! Signals of a crash, seen before they end the process. What runs then may do what `signal-safety(7)` allows and no more:
//! no allocation, no lock.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;

/// The signals.
const SIGNALS: [c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// Bytes of the stack that the handler runs on: the one that overflowed cannot be it.
const ROOM: usize = 64 * 1024;
/// Pages that a stack which overflowed may have left out.
const GAP: usize = 32;
const PAGE: usize = 4096;

/// Registers, as DWARF numbers them for the architecture.
#[cfg(target_arch = "x86_64")]
pub const REGISTERS: usize = 17;
/// Registers, as DWARF numbers them for the architecture.
#[cfg(target_arch = "aarch64")]
pub const REGISTERS: usize = 32;
/// Registers: none are known of this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const REGISTERS: usize = 0;

/// A signal that struck.
#[derive(Debug)]
pub struct Caught {
    /// The signal.
    pub signal: i32,
    /// `si_code` (`sigaction(2)`).
    pub code: i32,
    /// `si_addr`; 0 of a signal that somebody sent.
    pub address: u64,
    /// The program counter.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The registers.
    pub registers: [u64; REGISTERS],
}

static TELL: OnceLock<fn(&Caught)> = OnceLock::new();

static mut STACK: MaybeUninit<[u8; ROOM]> = MaybeUninit::uninit();

/// From now on `tell` hears of each crash of this process, once, and the process ends by that signal. A library that takes
/// the signals for itself later has them.
///
/// # Errors
/// As `sigaltstack(2)` and `sigaction(2)`.
pub fn catch(tell: fn(&Caught)) -> io::Result<()> {
    let _the_first_stays = TELL.set(tell);
    let place = &raw mut STACK;
    let stack = libc::stack_t { ss_sp: place.cast(), ss_flags: 0, ss_size: ROOM };
    // SAFETY: the memory is static, and nothing but the handler on this thread uses it.
    if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid action without flags; its mask is filled before it is used. The handler does only what
    // signal-safety(7) allows, and the second time the default disposition is back.
    unsafe {
        let action = action.assume_init_mut();
        action.sa_sigaction = struck as extern "C" fn(_, _, _) as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigfillset(&raw mut action.sa_mask);
    }
    let failed = SIGNALS.iter().any(|signal| {
        // SAFETY: as above.
        unsafe { libc::sigaction(*signal, action.as_ptr(), ptr::null_mut()) != 0 }
    });
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

extern "C" fn struck(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO both, for as long as it runs.
    let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
    let (pc, sp, registers) = registers(context);
    // SAFETY: `si_addr` is read as a number; of a signal with a code of the kernel it is one.
    let address = if info.si_code > 0 { (unsafe { info.si_addr() }) as u64 } else { 0 };
    if let Some(tell) = TELL.get() {
        tell(&Caught { signal, code: info.si_code, address, pc, sp, registers });
    }
    // SAFETY: it is blocked while this runs and ends the process, by its default disposition, when this returns.
    unsafe { libc::raise(signal) };
}

#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> (u64, u64, [u64; REGISTERS]) {
    // System V ABI for AMD64, figure 3.36.
    const ORDER: [c_int; REGISTERS] = [
        libc::REG_RAX,
        libc::REG_RDX,
        libc::REG_RCX,
        libc::REG_RBX,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_RBP,
        libc::REG_RSP,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
        libc::REG_RIP,
    ];
    let of = |place: c_int| context.uc_mcontext.gregs[place as usize].cast_unsigned();
    (of(libc::REG_RIP), of(libc::REG_RSP), ORDER.map(of))
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> (u64, u64, [u64; REGISTERS]) {
    // DWARF for the Arm 64-bit Architecture, section 4.1.
    let machine = &context.uc_mcontext;
    let of = |place: usize| machine.regs.get(place).copied().unwrap_or(machine.sp);
    (machine.pc, machine.sp, std::array::from_fn(of))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn registers(_: &libc::ucontext_t) -> (u64, u64, [u64; REGISTERS]) {
    (0, 0, [])
}

impl Caught {
    /// Where the stack that the signal struck can be read from, and how many bytes, `most` of them.
    #[must_use]
    pub fn stack(&self, most: usize) -> (u64, usize) {
        let sp = self.sp as usize;
        let pages = (0..GAP).map(|page| (sp & !(PAGE - 1)).saturating_add(page * PAGE));
        let Some(first) = pages.into_iter().find(|page| is_readable(*page)) else { return (0, 0) };
        let start = first.max(sp);
        let mut end = first + PAGE;
        while end - start < most && is_readable(end) {
            end += PAGE;
        }
        (start as u64, (end - start).min(most))
    }

    /// Sends `parts` and then the memory at `(address, length)`, as much as fits at once: it does not wait.
    pub fn send(&self, socket: RawFd, parts: [&[u8]; 3], (address, length): (u64, usize)) {
        let vector = |base: *const u8, length| libc::iovec {
            iov_base: base.cast_mut().cast(),
            iov_len: length,
        };
        let [first, second, third] = parts.map(|part| vector(part.as_ptr(), part.len()));
        let mut vectors = [first, second, third, vector(address as *const u8, length)];
        // SAFETY: an all-zero msghdr is an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = vectors.as_mut_ptr();
        message.msg_iovlen = vectors.len();
        // SAFETY: the kernel reads the vectors, which outlive the call, and what they name: slices, and memory that it
        // answers with EFAULT for where it cannot be read.
        unsafe {
            libc::sendmsg(socket, &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        }
    }
}

/// Whether the page can be read, by a system call that reads it and then finds its first argument wrong (EINVAL); it answers
/// EFAULT where it cannot.
fn is_readable(page: usize) -> bool {
    const NO_SUCH_THING: c_int = -1;
    const WORD: usize = 8;
    // SAFETY: nothing is changed, since the kernel refuses the first argument after it has read the second.
    let answer = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, NO_SUCH_THING, page, ptr::null_mut::<u8>(), WORD)
    };
    // SAFETY: errno is this thread's own.
    page != 0 && answer == -1 && unsafe { *libc::__errno_location() } == libc::EINVAL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sp: usize) -> Caught {
        Caught { signal: 0, code: 0, address: 0, pc: 0, sp: sp as u64, registers: [0; REGISTERS] }
    }

    #[test]
    fn memory_is_read_as_far_as_it_goes() {
        const PAGES: usize = 4;
        // SAFETY: a fresh mapping, of which the ends are taken away again.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start =
                libc::mmap(ptr::null_mut(), PAGES * PAGE, libc::PROT_NONE, flags, -1, 0) as usize;
            libc::mprotect((start + PAGE) as *mut c_void, 2 * PAGE, libc::PROT_READ);
            start
        };
        let (first, end) = (start + PAGE, start + 3 * PAGE);
        assert_eq!(at(first + 8).stack(1 << 20), ((first + 8) as u64, 2 * PAGE - 8));
        assert_eq!(at(first + 8).stack(100), ((first + 8) as u64, 100));
        assert_eq!(at(start + 8).stack(1 << 20), (first as u64, 2 * PAGE), "it overflowed");
        assert_eq!(at(end - 8).stack(1 << 20), ((end - 8) as u64, 8));
        assert_eq!(at(usize::MAX - 8).stack(1 << 20), (0, 0));
        // SAFETY: nobody uses the mapping any more.
        unsafe { libc::munmap(start as *mut c_void, PAGES * PAGE) };
    }
}
