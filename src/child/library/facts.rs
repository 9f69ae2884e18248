//! What a library's file says of itself, as far as loading it needs that. All of it is hostile.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;

use object::read::elf::{Dynamic, ElfFile64, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ReadCache, ReadRef, elf};

/// Entries of a dynamic section that are looked at.
const MOST: usize = 1024;

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// NT_GNU_BUILD_ID.
    pub build_id: Option<String>,
    /// Names of the libraries that it needs.
    pub needed: Vec<OsString>,
    /// Where it wants them to be looked for: DT_RUNPATH, else DT_RPATH.
    pub search: Vec<Vec<u8>>,
}

/// Of an open file. What is no ELF file for 64 bits says nothing: the loader will say what it is.
///
/// # Errors
/// It is not whole.
pub(super) fn facts(file: &File) -> Result<Facts, String> {
    let file = super::copy::reopen(file).map_err(|problem| problem.to_string())?;
    let cache = ReadCache::new(file);
    match (&cache).read_bytes_at(0, 5) {
        Ok(b"\x7fELF\x02") => {}
        _ => return Ok(Facts::default()),
    }
    let parsed =
        ElfFile64::<Endianness, _>::parse(&cache).map_err(|problem| problem.to_string())?;
    ends_within(&parsed, &cache)?;
    read(&parsed).map_err(|problem| problem.to_string())
}

type Elf<'a> = ElfFile64<'a, Endianness, &'a ReadCache<File>>;

/// A copy that is under way lacks its end.
fn ends_within(file: &Elf<'_>, cache: &ReadCache<File>) -> Result<(), String> {
    let endian = file.endian();
    let segments = file.elf_program_headers().iter().map(|segment| segment.file_range(endian));
    let sections = file.elf_section_table().iter();
    let sections = sections.filter_map(|section| section.file_range(endian));
    let end = segments.chain(sections).map(|(offset, size)| offset.saturating_add(size)).max();
    let length = cache.len().map_err(|()| "it cannot be read".to_owned())?;
    match end {
        Some(end) if end > length => Err(format!("it has {length} bytes of {end}")),
        _ => Ok(()),
    }
}

fn read(file: &Elf<'_>) -> object::Result<Facts> {
    let table = file.elf_dynamic_table()?;
    let strings = |tag| {
        let wanted = table.iter().take(MOST).filter(move |entry: &Dynamic| entry.tag == tag);
        wanted.filter_map(|entry| entry.string(table.strings()).ok())
    };
    let paths = |tag| {
        let entries = strings(tag).flat_map(|path| path.split(|byte| *byte == b':'));
        entries.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let run_path = paths(elf::DT_RUNPATH);
    Ok(Facts {
        build_id: file.build_id()?.map(hex),
        needed: strings(elf::DT_NEEDED).map(|name| OsString::from_vec(name.to_vec())).collect(),
        search: if run_path.is_empty() { paths(elf::DT_RPATH) } else { run_path },
    })
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
