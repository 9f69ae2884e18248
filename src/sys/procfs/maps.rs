//! What is mapped into a process (`/proc/PID/maps`). Reading it waits for whoever changes the mappings: a hostile process
//! can make that long.

use std::fs::File;
use std::io::Read;

/// Bytes that are read: some 40,000 mappings.
const MOST: u64 = 4 << 20;

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Code may run there.
    pub is_executable: bool,
    /// Where it begins in its file, bytes.
    pub offset: u64,
    /// Of its file.
    pub inode: u64,
    /// Its file, `[stack]` and the like; empty for memory alone.
    pub path: String,
}

impl Mapping {
    /// The file, where it is still the one that was mapped.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        (self.path.starts_with('/') && !self.path.ends_with(" (deleted)")).then_some(&self.path)
    }

    /// The name of a file that lives in memory alone.
    #[must_use]
    pub fn in_memory(&self) -> Option<&str> {
        self.path.strip_prefix("/memfd:")?.strip_suffix(" (deleted)")
    }
}

/// The mappings of a process, by address.
#[must_use]
pub fn maps(pid: u32) -> Vec<Mapping> {
    let mut text = Vec::new();
    let read = File::open(format!("/proc/{pid}/maps"))
        .and_then(|file| file.take(MOST).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).lines().filter_map(parse).collect(),
        Err(_) => Vec::new(),
    }
}

/// The mapping that has `address`.
#[must_use]
pub fn at(maps: &[Mapping], address: u64) -> Option<&Mapping> {
    let after = maps.partition_point(|mapping| mapping.start <= address);
    maps.get(after.checked_sub(1)?).filter(|mapping| address < mapping.end)
}

fn parse(line: &str) -> Option<Mapping> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let offset = hex(fields.next()?)?;
    let (_device, inode) = (fields.next()?, fields.next()?.parse().ok()?);
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        is_executable: rights.as_bytes().get(2) == Some(&b'x'),
        offset,
        inode,
        path: fields.next().unwrap_or_default().trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_pid_maps() {
        let line = "7f00-7f10 r-xp 00002000 08:01 42                         /lib/a b.so";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x7f10, 0x2000));
        assert!(mapping.is_executable && mapping.inode == 42);
        let copy = parse("10-20 r-xp 00000000 00:01 7      /memfd:a.so (deleted)").unwrap();
        assert_eq!((copy.in_memory(), copy.file()), (Some("a.so"), None));
        assert_eq!(mapping.file(), Some("/lib/a b.so"));
        for (line, file) in [
            ("10-20 rw-p 00000000 00:00 0 ", None),
            ("10-20 rw-p 00000000 00:00 0      [stack]", None),
            ("10-20 r-xp 00000000 08:01 42     /lib/old.so (deleted)", None),
        ] {
            assert_eq!(parse(line).unwrap().file(), file, "{line}");
        }
        for bad in ["", "10-20", "x-20 rw-p 0 00:00 0", "10 rw-p 0 00:00 0"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_in_one_mapping_at_most() {
        let maps = maps(std::process::id());
        let here = an_address_is_in_one_mapping_at_most as fn() as usize as u64;
        let code = at(&maps, here).unwrap();
        assert!(code.is_executable && code.file().is_some(), "{code:?}");
        assert_eq!(at(&maps, 0), None);
        assert_eq!(at(&maps, u64::MAX), None);
        assert!(maps.iter().any(|mapping| mapping.path == "[stack]"));
    }
}
