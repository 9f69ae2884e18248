//! A folder of files that is bounded in number and size: the oldest go. A file is there whole or not at all, and only its
//! owner reads it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What dossiers are called. Files of other names are left alone.
const PREFIX: &str = "death-";
const SUFFIX: &str = ".json";
/// One that is not whole yet.
const UNFINISHED: &str = ".part";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("directory = {path:?} cannot be written to: {problem}")]
pub struct FolderError {
    path: PathBuf,
    problem: io::Error,
}

/// A folder of dossiers.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: usize,
    size: u64,
}

impl Folder {
    /// Makes the folder where it is not there, for its owner alone; it may hold so many files and so many bytes.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(path: &Path, keep: usize, size: u64) -> Result<Self, FolderError> {
        let folder = Self { path: path.to_owned(), keep, size };
        folder.prepare().map_err(|problem| FolderError { path: path.to_owned(), problem })?;
        Ok(folder)
    }

    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        // What a writer left that was killed.
        for entry in fs::read_dir(&self.path)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        let probe = self.path.join(format!("{PREFIX}{}{UNFINISHED}", std::process::id()));
        create(&probe, b"")?;
        fs::remove_file(probe)
    }

    /// Writes one whose name tells its age: the names of younger ones sort behind those of older ones.
    ///
    /// # Errors
    /// Those of the file system; nothing of it is left then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(format!("{PREFIX}{name}{SUFFIX}"));
        let unfinished = self.path.join(format!("{PREFIX}{name}{UNFINISHED}"));
        let done = create(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(problem) = done {
            let _may_not_be_there = fs::remove_file(&unfinished);
            return Err(problem);
        }
        self.make_room()?;
        Ok(path)
    }

    /// The youngest stays, whatever its size.
    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)?.flatten() {
            let name = entry.file_name();
            if let (Some(name), Ok(about)) = (name.to_str(), entry.metadata())
                && name.starts_with(PREFIX)
                && name.ends_with(SUFFIX)
            {
                files.push((name.to_owned(), about.len()));
            }
        }
        files.sort_unstable();
        let mut bytes: u64 = files.iter().map(|(_, size)| size).sum();
        let mut count = files.len();
        for (name, size) in files {
            if count <= 1 || (count <= self.keep && bytes <= self.size) {
                break;
            }
            fs::remove_file(self.path.join(name))?;
            bytes -= size;
            count -= 1;
        }
        Ok(())
    }
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_by_number_and_by_size_and_strangers_stay() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let folder = Folder::open(&path, 3, 10).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("0-mine.json"), "a stranger's").unwrap();
        for (name, bytes, left) in [
            ("1", "aa", &["1"][..]),
            ("2", "aa", &["1", "2"]),
            ("3", "aa", &["1", "2", "3"]),
            ("4", "aa", &["2", "3", "4"]),
            ("5", "aaaaaaa", &["4", "5"]),
            ("6", "more than all of it", &["6"]),
            ("7", "a", &["7"]),
        ] {
            let written = folder.write(name, bytes.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&written).unwrap(), bytes);
            assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
            let expected = left.iter().map(|name| format!("death-{name}.json"));
            let expected: Vec<_> = ["0-mine.json".to_owned()].into_iter().chain(expected).collect();
            assert_eq!(names(&path), expected);
        }
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_what_cannot_be_written_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("death-1.part"), "half").unwrap();
        let folder = Folder::open(place.path(), 3, 10).unwrap();
        assert_eq!(names(place.path()), [""; 0]);
        fs::create_dir(place.path().join("death-2.json")).unwrap();
        assert!(folder.write("2", b"x").is_err());
        assert_eq!(names(place.path()), ["death-2.json"]);
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let told = Folder::open(&file, 3, 10).unwrap_err().to_string();
        assert!(told.starts_with("directory = \"") && told.contains("cannot be written"), "{told}");
    }
}
