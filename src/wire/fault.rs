//! What a worker tells of its own crash: where it was, and enough of its stack to find who called. The proxy makes names of
//! it; a worker that is broken may say anything.

/// Bytes of the stack, at most.
pub const MAX_STACK: usize = 64 * 1024;

/// Registers, at most.
pub const MAX_REGISTERS: usize = 64;

/// Modules, at most.
pub const MAX_MODULES: usize = 256;

/// Bytes of a module's path, at most.
pub const MAX_PATH: usize = 4096;

/// Bytes of a build id, at most.
pub const MAX_BUILD_ID: usize = 64;

/// A signal that ends the process (`sigaction(2)`), and where it struck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The signal.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`; of a signal that somebody sent it is none.
    pub address: u64,
    /// The program counter.
    pub pc: u64,
    /// The registers as the architecture's DWARF numbers them.
    pub registers: Vec<u64>,
    /// What is loaded.
    pub modules: Vec<Module>,
    /// Where [`Fault::stack`] lay.
    pub stack_at: u64,
    /// The top of the stack that the signal struck, as far as it can be read.
    pub stack: Vec<u8>,
}

/// A program or a library in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// As the loader has it; empty for the program.
    pub path: Vec<u8>,
    /// What is added to the addresses in its file.
    pub base: u64,
    /// Its lowest address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Its GNU build id; empty where it has none.
    pub build_id: Vec<u8>,
}
