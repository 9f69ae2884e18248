//! One ELF file: where its segments lie, what its symbols are called, and how its frames are unwound.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use object::LittleEndian;
use object::elf::{self, FileHeader64, Sym64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable};

/// Bytes of a section that are read.
const LARGEST: u64 = 64 << 20;

type Header = FileHeader64<LittleEndian>;
type Data<'a> = &'a ReadCache<File>;
const ENDIAN: LittleEndian = LittleEndian;

/// What makes a file this one, and unchanged: device, inode, length, and when it was written.
pub type Identity = (u64, u64, u64, (i64, i64));

/// An ELF file of 64 bits, little-endian.
pub struct Image {
    name: String,
    segments: Vec<Segment>,
    /// By address.
    symbols: Vec<Symbol>,
    names: Vec<u8>,
    frames: Frames,
}

/// How frames are unwound, as the file has it.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) index: Section,
    pub(super) table: Section,
}

/// Bytes, and the address that they have in the file.
#[derive(Default)]
pub(super) struct Section {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
}

struct Segment {
    offset: u64,
    length: u64,
    address: u64,
}

struct Symbol {
    start: u64,
    length: u64,
    /// Where its name is among the names.
    name: u32,
}

/// A regular file, opened without waiting for anybody.
pub(super) fn open(path: &Path) -> Option<(File, Identity)> {
    identified(File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?)
}

/// A regular file.
pub(super) fn identified(file: File) -> Option<(File, Identity)> {
    let about = file.metadata().ok()?;
    let written = (about.mtime(), about.mtime_nsec());
    about.is_file().then_some((file, (about.dev(), about.ino(), about.len(), written)))
}

impl Image {
    pub(super) fn read(file: File, name: &str) -> Option<Self> {
        let cache = ReadCache::new(file);
        let data = &cache;
        let header = Header::parse(data).ok().filter(|header| header.is_little_endian())?;
        let segments = header.program_headers(ENDIAN, data).ok()?.iter();
        let segments = segments.filter(|segment| segment.p_type(ENDIAN) == elf::PT_LOAD);
        let sections = header.sections(ENDIAN, data).unwrap_or_default();
        let table = |kind| read_symbols(&sections, kind, data);
        let (symbols, names) =
            table(elf::SHT_SYMTAB).or_else(|| table(elf::SHT_DYNSYM)).unwrap_or_default();
        Some(Self {
            name: name.to_owned(),
            segments: segments
                .map(|segment| Segment {
                    offset: segment.p_offset(ENDIAN),
                    length: segment.p_filesz(ENDIAN),
                    address: segment.p_vaddr(ENDIAN),
                })
                .collect(),
            symbols,
            names,
            frames: Frames {
                index: read_section(&sections, b".eh_frame_hdr", data),
                table: read_section(&sections, b".eh_frame", data),
            },
        })
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let symbols = self.symbols.len() * size_of::<Symbol>();
        symbols + self.names.len() + self.frames.index.bytes.len() + self.frames.table.bytes.len()
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The address, in the file, of the first byte of a mapping that begins at this offset of it. A segment is mapped from
    /// the page that it begins in, which may hold the end of the one before too.
    #[must_use]
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let page = rustix::param::page_size() as u64;
        let begins = |segment: &&Segment| segment.offset - segment.offset % page == offset;
        let holds = |segment: &&Segment| {
            offset.checked_sub(segment.offset).is_some_and(|within| within < segment.length)
        };
        let mut segments = self.segments.iter();
        let segment = segments.rfind(begins).or_else(|| self.segments.iter().find(holds))?;
        Some(segment.address.wrapping_add(offset.wrapping_sub(segment.offset)))
    }

    /// The symbol that has this address of the file, and how far into it that is.
    #[must_use]
    pub fn name_of(&self, address: u64) -> Option<(&[u8], u64)> {
        /// A symbol without a length ends before the next one, and not far away.
        const UNTOLD: u64 = 4096;
        let after = self.symbols.partition_point(|symbol| symbol.start <= address);
        let symbol = self.symbols.get(after.checked_sub(1)?)?;
        let length = if symbol.length == 0 { UNTOLD } else { symbol.length };
        let within = address - symbol.start;
        let name = self.names.get(symbol.name as usize..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        (within < length).then_some((&name[..end], within))
    }
}

fn read_section<'a>(
    sections: &SectionTable<'a, Header, Data<'a>>,
    name: &[u8],
    data: Data<'a>,
) -> Section {
    let found = sections.section_by_name(ENDIAN, name).map(|(_, section)| section);
    let Some(section) = found.filter(|section| section.sh_size(ENDIAN) <= LARGEST) else {
        return Section::default();
    };
    let bytes = section.data(ENDIAN, data).unwrap_or_default().to_vec();
    Section { address: section.sh_addr(ENDIAN), bytes }
}

/// Functions and objects by address, each address once, and all names.
fn read_symbols<'a>(
    sections: &SectionTable<'a, Header, Data<'a>>,
    kind: elf::SectionType,
    data: Data<'a>,
) -> Option<(Vec<Symbol>, Vec<u8>)> {
    let table = sections.iter().find(|section| section.sh_type(ENDIAN) == kind)?;
    let names = sections.section(table.link(ENDIAN)).ok()?;
    if table.sh_size(ENDIAN) > LARGEST || names.sh_size(ENDIAN) > LARGEST {
        return None;
    }
    let entries: &[Sym64<LittleEndian>] = table.data_as_array(ENDIAN, data).ok()?;
    let names = names.data(ENDIAN, data).ok()?.to_vec();
    let is_named = |entry: &&Sym64<LittleEndian>| {
        let kind = entry.st_type();
        let is_kind = [elf::STT_FUNC, elf::STT_OBJECT, elf::STT_GNU_IFUNC].contains(&kind);
        is_kind && entry.st_shndx.get(ENDIAN) != elf::SHN_UNDEF && entry.st_name.get(ENDIAN) != 0
    };
    let symbol = |entry: &Sym64<LittleEndian>| Symbol {
        start: entry.st_value.get(ENDIAN),
        length: entry.st_size.get(ENDIAN),
        name: entry.st_name.get(ENDIAN),
    };
    let mut symbols: Vec<Symbol> = entries.iter().filter(is_named).map(symbol).collect();
    // Of several names for one place the one that a person would use.
    let underscores = |symbol: &Symbol| {
        let name = names.get(symbol.name as usize..).unwrap_or_default();
        name.iter().take_while(|byte| **byte == b'_').count()
    };
    symbols.sort_by_key(|symbol| (symbol.start, underscores(symbol)));
    symbols.dedup_by_key(|symbol| symbol.start);
    (!symbols.is_empty()).then_some((symbols, names))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn image_of(bytes: &[u8]) -> Option<Image> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Image::read(file, "elf")
    }

    #[test]
    fn cut_and_bent_files_do_no_harm() {
        let libc = ["/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6", "/lib/libc.so.6"];
        let whole = libc.iter().find_map(|path| std::fs::read(path).ok());
        let Some(whole) = whole else { return };
        let image = image_of(&whole).unwrap();
        assert!(image.symbols.len() > 1000 && !image.frames.index.bytes.is_empty());
        for end in [0, 1, 16, 63, 64, 65, 1000, whole.len() / 2, whole.len() - 1] {
            let _whatever_is_left =
                image_of(&whole[..end]).is_some_and(|image| image.name_of(0x1000).is_some());
        }
        for at in 0..64 {
            let mut bent = whole.clone();
            bent[at] ^= 0xff;
            let _whatever_it_says = image_of(&bent).map(|image| image.address_of(u64::MAX));
        }
    }

    #[test]
    fn symbols_end_where_they_end() {
        let symbol = |start, length, name| Symbol { start, length, name };
        let image = Image {
            name: String::new(),
            segments: vec![
                Segment { offset: 0x0, length: 0x3d10, address: 0 },
                Segment { offset: 0x3d10, length: 0x2500, address: 0x4d10 },
            ],
            symbols: vec![symbol(0x2000, 0x10, 0), symbol(0x2100, 0, 2), symbol(0x9000, 1, 99)],
            names: b"a\0b\0".to_vec(),
            frames: Frames::default(),
        };
        for (address, name) in [
            (0x1fff, None),
            (0x2000, Some((&b"a"[..], 0))),
            (0x200f, Some((&b"a"[..], 15))),
            (0x2010, None),
            (0x2180, Some((&b"b"[..], 0x80))),
            (0x9000, None),
        ] {
            assert_eq!(image.name_of(address), name, "{address:#x}");
        }
        for (offset, address) in [
            (0, Some(0)),
            (0x1000, Some(0x1000)),
            (0x3000, Some(0x4000)),
            (0x4000, Some(0x5000)),
            (0x7000, None),
        ] {
            assert_eq!(image.address_of(offset), address, "{offset:#x}");
        }
    }
}
