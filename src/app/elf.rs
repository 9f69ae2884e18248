//! What a library's file says of itself: its machine, what it exports, and its debug information. Only bytes are read,
//! all of them hostile; nothing is loaded.

pub mod compare;
pub mod dwarf;
pub mod types;

use std::env::consts::ARCH;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub use crate::child::library::find;
use object::{
    Architecture, CompressionFormat, FileFlags, Object, ObjectKind, ObjectSection, ObjectSymbol,
    SymbolFlags, SymbolKind,
};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 512 << 20;

/// The most functions of one library that are looked at.
pub const MOST_FUNCTIONS: usize = 65_536;

/// Why a file cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It cannot be read.
    #[error("{0}: check that the file is there and readable")]
    Unreadable(#[from] io::Error),
    /// A folder, a pipe, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// Over the limit.
    #[error("it is larger than {LARGEST} bytes")]
    TooLarge,
    /// Something else.
    #[error("it is not an ELF file: build it with `cc -shared -fPIC`")]
    NotElf,
    /// For other processors.
    #[error("it is built for {0}, this machine is {ARCH}: build it for this one")]
    Machine(String),
    /// A program, or what a linker is given.
    #[error("it is no shared library: build it with `cc -shared -fPIC`")]
    NotShared,
    /// Cut short, or nonsense.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl From<object::Error> for ElfError {
    fn from(error: object::Error) -> Self {
        ElfError::Damaged(error.to_string())
    }
}

/// A shared library for this machine.
pub struct Elf<'a> {
    file: object::File<'a>,
}

/// The bytes of a regular file.
///
/// # Errors
/// [`ElfError::Unreadable`], [`ElfError::NotAFile`], [`ElfError::TooLarge`].
pub fn read(path: &Path) -> Result<Vec<u8>, ElfError> {
    // A pipe would be waited for.
    content(&File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?)
}

/// The bytes of an open regular file, from where it stands.
///
/// # Errors
/// As [`read`].
pub fn content(file: &File) -> Result<Vec<u8>, ElfError> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(ElfError::NotAFile);
    }
    if about.len() > LARGEST {
        return Err(ElfError::TooLarge);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl<'a> Elf<'a> {
    /// Of these bytes.
    ///
    /// # Errors
    /// [`ElfError::NotElf`], [`ElfError::Machine`], [`ElfError::NotShared`], [`ElfError::Damaged`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        let file = object::File::parse(bytes)?;
        let machine = file.architecture();
        if name_of(machine) != ARCH || !file.is_64() || !file.is_little_endian() {
            let bits = if file.is_64() { "" } else { " (32 bits)" };
            return Err(ElfError::Machine(format!("{}{bits}", name_of(machine))));
        }
        let is_shared =
            matches!(file.flags(), FileFlags::Elf { .. }) && file.kind() == ObjectKind::Dynamic;
        if is_shared { Ok(Self { file }) } else { Err(ElfError::NotShared) }
    }

    /// The names of the functions that others may call, sorted, each once.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        let exported = self.file.dynamic_symbols().filter(|symbol| {
            symbol.is_global()
                && (symbol.is_definition() && symbol.kind() == SymbolKind::Text
                    || !symbol.is_undefined() && is_chosen_late(symbol.flags()))
        });
        let names = exported.take(MOST_FUNCTIONS).filter_map(|symbol| symbol.name().ok());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A section's bytes; none where there is no such section, or a compressed one.
    fn section(&self, name: &str) -> &'a [u8] {
        let section = self.file.section_by_name(name);
        section.and_then(|section| section.data().ok()).unwrap_or_default()
    }

    /// Whether its debug information is there, but compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        let section = self.file.section_by_name(".debug_info");
        let range = section.and_then(|section| section.compressed_file_range().ok());
        range.is_some_and(|range| range.format != CompressionFormat::None)
    }
}

/// A function of which the loader chooses one version (STT_GNU_IFUNC).
fn is_chosen_late<S, E>(flags: SymbolFlags<S, E>) -> bool {
    const IFUNC: u8 = 10;
    matches!(flags, SymbolFlags::Elf { st_info, .. } if st_info.0 & 0xf == IFUNC)
}

/// As Rust names it.
fn name_of(machine: Architecture) -> &'static str {
    match machine {
        Architecture::X86_64 | Architecture::X86_64_X32 => "x86_64",
        Architecture::Aarch64 => "aarch64",
        Architecture::Riscv64 => "riscv64",
        Architecture::I386 => "x86",
        Architecture::Arm => "arm",
        Architecture::PowerPc64 => "powerpc64",
        Architecture::S390x => "s390x",
        Architecture::LoongArch64 => "loongarch64",
        _ => "another processor",
    }
}

/// The name most like a misspelt one, if one is near.
#[must_use]
pub fn closest<'n>(name: &str, known: &'n [String]) -> Option<&'n str> {
    let most = (name.len() / 3).max(1);
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known.as_str()));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}
