//! One version of a library: a sealed copy of its file in memory. All workers of a function load the same bytes, whatever
//! becomes of the path meanwhile: a rename, a write in place, a cut.

mod copy;
mod facts;
mod shelf;

use std::env::consts::ARCH;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sys::copies;
use copy::Digest;

pub use shelf::Shelf;

/// The largest file that is copied, in bytes. A larger one is kept open: that stands a rename, but no write in place.
const LARGEST_COPY: u64 = 128 << 20;

/// One version.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    /// Of its file, and of those beside it that it needs.
    stamps: Vec<(PathBuf, Option<Stamp>)>,
    /// What workers load; `None` where the loader is to find it by its name.
    file: Option<Arc<File>>,
    digest: Option<Digest>,
    build_id: Option<String>,
    origins: Vec<PathBuf>,
    problem: Option<String>,
}

/// By which a file is known to be as it was (`stat(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self {
            file: (about.dev(), about.ino()),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }

    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|about| Self::of(&about))
    }
}

impl Library {
    /// What is at `path` now. What cannot be read is left to the loader in a worker, which says why. Blocks.
    #[must_use]
    pub fn take(path: &Path) -> Self {
        let place = find(path).unwrap_or_else(|| path.to_owned());
        let mut library = Self {
            path: path.to_owned(),
            stamps: vec![(place.clone(), Stamp::at(&place))],
            file: None,
            digest: None,
            build_id: None,
            origins: Vec::new(),
            problem: None,
        };
        if let Ok((file, stamp)) = open(&place)
            && let Err(problem) = library.keep(file, stamp, &place)
        {
            library.problem = Some(problem);
        }
        library
    }

    fn keep(&mut self, original: File, stamp: Stamp, place: &Path) -> Result<(), String> {
        let is_named = !self.path.as_os_str().as_bytes().contains(&b'/') || is_loaded_here(place);
        let copied =
            if stamp.size > LARGEST_COPY { None } else { copy::sealed(&original, place).ok() };
        let file = match copied {
            Some(copy) => copy,
            None => original.try_clone().map_err(|problem| problem.to_string())?,
        };
        self.stamps = vec![(place.to_owned(), Some(stamp))];
        let digest = copy::digest(&file).map_err(|problem| problem.to_string())?;
        self.build_id = Some(copy::spelled(&digest));
        self.digest = Some(digest);
        let is_written = original.metadata().ok().map(|about| Stamp::of(&about)) != Some(stamp);
        let facts = facts::facts(&file);
        if !is_named {
            let file = Arc::new(file);
            copies::know(&file).map_err(|problem| problem.to_string())?;
            self.file = Some(file);
        }
        if is_written {
            return Err(format!("{} is being written: replace it by a rename", place.display()));
        }
        let facts = facts.map_err(|problem| {
            format!("{} is cut short or damaged: {problem}; copy it whole", place.display())
        })?;
        self.build_id = facts.build_id.or(self.build_id.take());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).unwrap_or_default();
        self.origins = facts.search.iter().filter_map(|one| from_origin(one, &folder)).collect();
        let beside = facts.needed.iter().filter_map(|name| self.beside(name));
        let beside: Vec<_> = beside.map(|path| (path.clone(), Stamp::at(&path))).collect();
        self.stamps.extend(beside);
        Ok(())
    }

    fn beside(&self, name: &OsString) -> Option<PathBuf> {
        self.origins.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// As configured.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The GNU build id of its file, in hexadecimal digits; where it has none, `sha256:` and the first 40 digits of its
    /// content's; `unknown` where the file could not be read.
    #[must_use]
    pub fn build_id(&self) -> &str {
        self.build_id.as_deref().unwrap_or("unknown")
    }

    /// What is wrong with its file, though it may load.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Its bytes, opened anew.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(&self) -> io::Result<File> {
        match &self.file {
            Some(file) => copy::reopen(file),
            None => {
                open(&find(&self.path).unwrap_or_else(|| self.path.clone())).map(|(file, _)| file)
            }
        }
    }

    /// Whether its file, or one beside it that it needs, is another than it was, as far as `stat(2)` says.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.stamps.iter().all(|(path, stamp)| Stamp::at(path) == *stamp)
    }

    /// Whether the very file that this was taken from was written since: not another one that has its name by now.
    #[must_use]
    pub fn was_written(&self) -> bool {
        let is_written =
            |was: &Stamp, is: Stamp| was.file == is.file && was.modified != is.modified;
        self.stamps.iter().any(|(path, was)| match (was, Stamp::at(path)) {
            (Some(was), Some(is)) => is_written(was, is),
            _ => false,
        })
    }

    /// Whether both are the same to a worker: the bytes, and what is beside.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let beside = |library: &Self| library.stamps.get(1..).unwrap_or_default().to_vec();
        self.digest == other.digest && self.digest.is_some() && beside(self) == beside(other)
    }

    /// `LD_LIBRARY_PATH` for workers that load the copy, which has no place: where what it needs lies beside its file
    /// ($ORIGIN in `ld.so(8)`), before what is `given`.
    #[must_use]
    pub fn search_path(&self, given: Option<&OsString>) -> Option<OsString> {
        if self.origins.is_empty() || self.file.is_none() {
            return None;
        }
        let origins = self.origins.iter().map(|folder| folder.as_os_str().as_bytes());
        let given = given.map(|given| given.as_bytes()).filter(|given| !given.is_empty());
        let all: Vec<&[u8]> = origins.chain(given).collect();
        Some(OsString::from_vec(all.join(&b':')))
    }

    /// What a worker gets along with its first frame, and loads.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

/// A regular file, for reading.
fn open(path: &Path) -> io::Result<(File, Stamp)> {
    // A pipe would be waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let about = file.metadata()?;
    match about.is_file() {
        true => Ok((file, Stamp::of(&about))),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Whether this program is made of it, as workers are: a second C library beside the first would be no copy, but another.
fn is_loaded_here(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().any(|line| line.ends_with(&format!(" {}", path.display())))
}

/// An entry of a search path that speaks of the library's own folder.
fn from_origin(entry: &[u8], folder: &Path) -> Option<PathBuf> {
    let text = std::str::from_utf8(entry).ok()?;
    let rest = text.strip_prefix("$ORIGIN").or_else(|| text.strip_prefix("${ORIGIN}"))?;
    let path = format!("{}{rest}", folder.to_str()?);
    (!path.contains(['$', ':', ';'])).then(|| path.into())
}

/// Where the loader would find a library without a `/` in its name, roughly (`ld.so(8)`).
#[must_use]
pub fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return Some(name.to_owned());
    }
    let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let triple = format!("{ARCH}-linux-gnu");
    let multiarch = ["/lib", "/usr/lib"].map(|folder| Path::new(folder).join(&triple));
    let folders = std::env::split_paths(&given).chain(multiarch).chain(usual);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}
