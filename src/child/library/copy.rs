//! A file's bytes in memory that nobody can change any more.

use std::fs::File;
use std::io::{self, Read, copy};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// Of a content: SHA-256.
pub(super) type Digest = [u8; SHA256_OUTPUT_LEN];

/// Digits of a digest that name it among others.
const DIGITS: usize = 40;
/// Bytes of a name that the kernel shows in `/proc/PID/maps`, at most.
const LONGEST_NAME: usize = 200;

/// A copy of all of `original`, named after `place`.
///
/// # Errors
/// As `memfd_create(2)`; no memory.
pub(super) fn sealed(original: &File, place: &Path) -> io::Result<File> {
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or("library");
    let name: String = name.chars().filter(|c| *c != '\0').take(LONGEST_NAME / 4).collect();
    let mut copied = File::from(memory(&name)?);
    copy(&mut &*original, &mut copied)?;
    fcntl_add_seals(
        &copied,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(copied)
}

/// Never to be a program: where the kernel can promise that (Linux 6.3), some systems ask for it (`vm.memfd_noexec`).
fn memory(name: &str) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        other => other,
    }
}

/// With a position of its own.
///
/// # Errors
/// As `open(2)`.
pub(super) fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Of the file's content.
///
/// # Errors
/// As `read(2)`.
pub(super) fn digest(file: &File) -> io::Result<Digest> {
    let mut file = reopen(file)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => context.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

/// In the place of a build id.
pub(super) fn spelled(digest: &Digest) -> String {
    let mut text = format!("sha256:{}", super::facts::hex(digest));
    text.truncate("sha256:".len() + DIGITS);
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_copy_is_the_content_and_stays_so() {
        let mut original = tempfile::NamedTempFile::new().unwrap();
        original.write_all(b"abc").unwrap();
        let file = File::open(original.path()).unwrap();
        let copied = sealed(&file, original.path()).unwrap();
        original.as_file().set_len(0).unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a3";
        assert_eq!(spelled(&digest(&copied).unwrap()), expected);
        assert!((&copied).write_all(b"x").is_err());
        assert!(copied.set_len(0).is_err());
    }
}
