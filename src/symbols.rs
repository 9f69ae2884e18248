//! What addresses of a process are called, and who called whom: from its memory and from the files that are mapped into it.
//! All of it is hostile: what is read is bounded, nothing is loaded, nothing is run.

mod cfi;
pub mod image;
pub mod unwind;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::sys::copies;
use crate::sys::procfs::maps::{self, Mapping};

pub use image::Image;

/// Files that are kept.
const MOST_IMAGES: usize = 64;
/// Bytes of what is kept of them.
const MOST_BYTES: usize = 128 << 20;
/// Characters of a name that are told.
const LONGEST: usize = 120;

/// The files that addresses were looked up in, each read once for as long as it does not change.
#[derive(Default)]
pub struct Symbols {
    images: HashMap<image::Identity, Option<Arc<Image>>>,
}

impl Symbols {
    /// The program or library at `path`; `None` where it is none. Blocks: it is read when it is first asked for.
    pub fn image(&mut self, path: &Path) -> Option<Arc<Image>> {
        let (file, identity) = image::open(path)?;
        self.read(file, identity, file_name(&path.to_string_lossy()))
    }

    /// That which a mapping is of.
    fn image_of(&mut self, mapping: &Mapping) -> Option<Arc<Image>> {
        match (mapping.file(), mapping.in_memory()) {
            (Some(path), _) => self.image(Path::new(path)),
            (None, Some(name)) => {
                let (file, identity) = image::identified(copies::open(mapping.inode)?)?;
                self.read(file, identity, name)
            }
            (None, None) => None,
        }
    }

    fn read(&mut self, file: File, identity: image::Identity, name: &str) -> Option<Arc<Image>> {
        if let Some(known) = self.images.get(&identity) {
            return known.clone();
        }
        let image = Image::read(file, name).map(Arc::new);
        let kept = |image: &Option<Arc<Image>>| image.as_ref().map_or(0, |image| image.bytes());
        let bytes: usize = self.images.values().map(kept).sum();
        if self.images.len() >= MOST_IMAGES || bytes + kept(&image) > MOST_BYTES {
            self.images.clear();
        }
        self.images.insert(identity, image.clone());
        image
    }

    /// The image that is mapped at `address`, and what is added there to the addresses in its file. Memory right behind a
    /// mapping of a file is that file's too: its variables that begin as zero.
    pub fn image_at(&mut self, maps: &[Mapping], address: u64) -> Option<(Arc<Image>, u64)> {
        let place = maps.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
        let mapping = maps.get(place).filter(|mapping| address < mapping.end)?;
        let before = maps.get(place.wrapping_sub(1));
        let owner = match before {
            Some(before) if mapping.path.is_empty() && before.end == mapping.start => before,
            _ => mapping,
        };
        let image = self.image_of(owner)?;
        let in_file = image.address_of(owner.offset)?;
        Some((image, owner.start.wrapping_sub(in_file)))
    }

    /// `libpq.so.5!PQgetResult+0x5c`; with less where less is known. Names are the file's own: escape them.
    pub fn name(&mut self, maps: &[Mapping], address: u64) -> String {
        let Some(mapping) = maps::at(maps, address) else { return format!("{address:#x}") };
        let cut = |name: &[u8]| String::from_utf8_lossy(name).chars().take(LONGEST).collect();
        let Some((image, bias)) = self.image_at(maps, address) else {
            let file: String = cut(file_name(&mapping.path).as_bytes());
            return match file.as_str() {
                "" => format!("{address:#x}"),
                file => format!("{file}+{:#x}", address - mapping.start + mapping.offset),
            };
        };
        let file: String = cut(image.name().as_bytes());
        let in_file = address.wrapping_sub(bias);
        match image.name_of(in_file) {
            Some((name, offset)) => {
                let name: String = cut(name);
                format!("{file}!{name}+{offset:#x}")
            }
            None => format!("{file}+{in_file:#x}"),
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn functions_of_this_program_and_of_the_c_library_have_names() {
        let maps = maps::maps(std::process::id());
        let mut symbols = Symbols::default();
        let own = functions_of_this_program_and_of_the_c_library_have_names as fn() as usize as u64;
        let name = symbols.name(&maps, own + 1);
        assert!(name.contains("functions_of_this_program") && name.ends_with("+0x1"), "{name}");
        let pause = libc::pause as unsafe extern "C" fn() -> _ as usize as u64;
        let name = symbols.name(&maps, pause + 2);
        assert!(name.starts_with("libc.so.6!") && name.ends_with("pause+0x2"), "{name}");
        assert_eq!(symbols.images.len(), 2);
        static ZERO: AtomicU64 = AtomicU64::new(0);
        let name = symbols.name(&maps, (&raw const ZERO) as u64);
        assert!(name.contains("ZERO") && name.ends_with("+0x0"), "{name}");
        assert_eq!(symbols.name(&maps, 16), "0x10");
    }

    #[test]
    fn what_is_no_image_is_asked_once() {
        let mut symbols = Symbols::default();
        for path in ["/etc/passwd", "/dev/null", "/", "/nowhere"] {
            assert!(symbols.image(Path::new(path)).is_none(), "{path}");
        }
        assert_eq!(symbols.images.len(), 1, "a file is remembered, what is none is not");
    }
}
