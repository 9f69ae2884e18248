//! What a call may reach, as configured: one of three levels, or `[sandboxes.NAME]`, which begins with one and changes keys.

use std::path::PathBuf;
use std::time::Duration;

/// Of the workers of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// `off`, `basic`, `strict`, or the NAME of `[sandboxes.NAME]`.
    pub name: String,
    /// What it is like but for the keys below.
    pub level: Level,
    /// Files that may be read.
    pub read: Reach,
    /// Files that may be written, made and removed.
    pub write: Reach,
    /// TCP ports to connect to; `None`: any.
    pub connect: Option<Vec<u16>>,
    /// TCP ports to listen at; `None`: any.
    pub bind: Option<Vec<u16>>,
    /// Variables of the environment that a worker starts with.
    pub environment: Vec<Variable>,
    /// Names of system calls that are done, whatever the level says.
    pub allow_syscalls: Vec<String>,
    /// Names of system calls that fail with EPERM.
    pub deny_syscalls: Vec<String>,
    /// Resource limits.
    pub limits: Limits,
    /// Bytes of memory of one call, with all that it starts; `None`: no limit.
    pub memory: Option<u64>,
    /// Processes and threads of one call; `None`: no limit.
    pub pids: Option<u64>,
    /// Another user and its group.
    pub user: Option<(u32, u32)>,
}

/// How much is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A process of its own and no more.
    Off,
    /// Nothing of the proxy, of other processes or of the system can be changed; ordinary libraries notice nothing.
    Basic,
    /// What computing needs, and what is listed.
    Strict,
}

/// Which files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that its user may.
    Any,
    /// All but the system's own folders.
    Usual,
    /// These, and what every process needs.
    Only(Vec<PathBuf>),
}

/// A variable of a worker's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// As the proxy has it, if it does.
    Kept(String),
    /// All that begin so.
    KeptPrefix(String),
    /// This value.
    Set(String, String),
}

/// Resource limits (`setrlimit(2)`). `None`: as the proxy's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a core file; 0 is written "off".
    pub core: u64,
    /// CPU time of one process.
    pub cpu: Option<Duration>,
    /// Bytes of a file that is written.
    pub file_size: Option<u64>,
    /// Open descriptors of one process.
    pub open_files: Option<u64>,
    /// Bytes of address space of one process.
    pub address_space: Option<u64>,
    /// Processes and threads of its user; nothing for root.
    pub processes: Option<u64>,
}

/// Variables that say where things are and how to speak; none that an app keeps secrets in.
const PLAIN: &[&str] = &[
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
];

/// As many descriptors as a process usually begins with: the proxy's own limit is raised far beyond.
const OPEN_FILES: u64 = 1024;

impl Level {
    /// Its word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Basic => "basic",
            Level::Strict => "strict",
        }
    }

    /// All, from the least to the most.
    pub const ALL: [Level; 3] = [Level::Off, Level::Basic, Level::Strict];
}

impl Variable {
    /// `NAME`, `PREFIX*` or `NAME=VALUE`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let stem = name.strip_suffix('*');
        let is_bad = |text: &str| text.contains(['*', '\0']);
        if is_bad(stem.unwrap_or(name)) || value.is_some_and(|value| value.contains('\0')) {
            return None;
        }
        match (stem, value) {
            (Some(_), Some(_)) => None,
            (Some(stem), None) => Some(Variable::KeptPrefix(stem.to_owned())),
            (None, _) if name.is_empty() => None,
            (None, Some(value)) => Some(Variable::Set(name.to_owned(), value.to_owned())),
            (None, None) => Some(Variable::Kept(name.to_owned())),
        }
    }
}

impl Sandbox {
    /// The sandbox that a level is by itself.
    #[must_use]
    pub fn of(level: Level) -> Self {
        let (read, write, ports) = match level {
            Level::Off => (Reach::Any, Reach::Any, None),
            Level::Basic => (Reach::Any, Reach::Usual, None),
            Level::Strict => (Reach::Only(Vec::new()), Reach::Only(Vec::new()), Some(Vec::new())),
        };
        let variables: &[&str] = if level == Level::Off { &["*"] } else { PLAIN };
        Self {
            name: level.as_str().to_owned(),
            level,
            read,
            write,
            connect: ports.clone(),
            bind: ports,
            environment: variables.iter().filter_map(|text| Variable::parse(text)).collect(),
            allow_syscalls: Vec::new(),
            deny_syscalls: Vec::new(),
            limits: Limits {
                core: 0,
                cpu: None,
                file_size: None,
                open_files: (level != Level::Off).then_some(OPEN_FILES),
                address_space: None,
                processes: None,
            },
            memory: None,
            pids: None,
            user: None,
        }
    }

    /// Whether it is one of the levels as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.name == self.level.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_kept_or_set() {
        let rows = [
            ("A", Some(Variable::Kept("A".into()))),
            ("LC_*", Some(Variable::KeptPrefix("LC_".into()))),
            ("*", Some(Variable::KeptPrefix(String::new()))),
            ("A=", Some(Variable::Set("A".into(), String::new()))),
            ("A=b=c", Some(Variable::Set("A".into(), "b=c".into()))),
            ("A=*", Some(Variable::Set("A".into(), "*".into()))),
            ("", None),
            ("=b", None),
            ("A*=b", None),
            ("A*B", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Variable::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn levels_are_plain() {
        for level in Level::ALL {
            assert!(Sandbox::of(level).is_plain());
        }
    }
}
