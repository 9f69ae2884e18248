//! Which files and ports stay in reach of one sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Sandbox;
use crate::config::sandbox::{Level, Reach};
use crate::sys::landlock::Rules;

/// The system's own: not written by what is not a system program.
const SYSTEM: &[&str] =
    &["bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr"];

/// Devices that are no way to anything, beside graphics and its like by the rights of their files.
const DEVICES: &[&str] = &[
    "accel",
    "dri",
    "full",
    "infiniband",
    "kfd",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "snd",
    "tty",
    "urandom",
    "zero",
];
/// The graphics devices that have a number in their name.
const NUMBERED: &str = "nvidia";

/// What a process writes that writes nothing.
const NOWHERE: &[&str] = &["/dev/full", "/dev/null", "/dev/zero", "/proc/self"];

/// Libraries, and what the C library reads of the system; nothing that is anybody's own.
const LIBRARIES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self",
    "/sys/devices/system/cpu",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
];

/// What a connection needs beside: names, and whom to trust.
const NAMES: &[&str] = &[
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/run/systemd/resolve",
    "/usr/share/ca-certificates",
];

/// Of a function whose library is at `library`.
pub(super) fn rules(sandbox: &Sandbox, library: &Path) -> Rules<PathBuf> {
    Rules {
        read: readable(sandbox, library),
        write: writable(&sandbox.write),
        connect: sandbox.connect.clone(),
        bind: sandbox.bind.clone(),
        own_signals: sandbox.level != Level::Off,
        own_sockets: sandbox.level == Level::Strict,
    }
}

/// The library itself can always be read; those that it needs from elsewhere are listed.
fn readable(sandbox: &Sandbox, library: &Path) -> Option<Vec<PathBuf>> {
    let Reach::Only(listed) = &sandbox.read else { return None };
    let own = Some(library).filter(|path| path.is_absolute()).map(Path::to_owned);
    let has_ports = sandbox.connect.as_ref().is_none_or(|ports| !ports.is_empty());
    let names = if has_ports { NAMES } else { &[] };
    let system = LIBRARIES.iter().chain(names).map(PathBuf::from);
    Some(present(system).chain(own).chain(listed.iter().cloned()).collect())
}

fn writable(reach: &Reach) -> Option<Vec<PathBuf>> {
    match reach {
        Reach::Any => None,
        Reach::Only(listed) => {
            let nowhere = NOWHERE.iter().map(PathBuf::from);
            Some(present(nowhere).chain(listed.iter().cloned()).collect())
        }
        Reach::Usual => Some(usual()),
    }
}

/// All folders at the top but the system's, and some devices.
fn usual() -> Vec<PathBuf> {
    let entries = |folder| fs::read_dir(folder).into_iter().flatten().flatten();
    let is_own = |entry: &fs::DirEntry| {
        let is_system = entry.file_name().to_str().is_some_and(|name| SYSTEM.contains(&name));
        !is_system && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    let is_numbered = |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(NUMBERED))
    };
    let own = entries("/").filter(is_own).map(|entry| entry.path());
    let graphics = entries("/dev").filter(is_numbered).map(|entry| entry.path());
    let devices = DEVICES.iter().map(|name| Path::new("/dev").join(name));
    present(own.chain(graphics).chain(devices).chain(["/proc/self".into()])).collect()
}

fn present(paths: impl Iterator<Item = PathBuf>) -> impl Iterator<Item = PathBuf> {
    paths.filter(|path| path.exists())
}

/// Paths that the file names and that are not there: out of reach of workers that start before.
pub(super) fn absent(sandbox: &Sandbox) -> Vec<&Path> {
    fn listed(reach: &Reach) -> &[PathBuf] {
        match reach {
            Reach::Only(listed) => listed,
            Reach::Any | Reach::Usual => &[],
        }
    }
    let both = listed(&sandbox.read).iter().chain(listed(&sandbox.write));
    both.map(PathBuf::as_path).filter(|path| !path.exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_may_write_where_programs_do_and_not_into_the_system() {
        let usual = usual();
        for path in ["/tmp", "/var", "/dev/null", "/proc/self"] {
            assert!(usual.contains(&PathBuf::from(path)), "{path} in {usual:?}");
        }
        for path in ["/", "/etc", "/usr", "/bin", "/dev", "/proc", "/sys", "/dev/mem"] {
            assert!(!usual.contains(&PathBuf::from(path)), "{path} in {usual:?}");
        }
    }

    #[test]
    fn strict_reads_its_library_and_the_systems() {
        let strict = Sandbox::of(Level::Strict);
        let read = readable(&strict, Path::new("/tmp/libx.so")).unwrap();
        assert!(
            read.contains(&"/tmp/libx.so".into()) && read.contains(&"/usr/lib".into()),
            "{read:?}"
        );
        assert!(!read.contains(&"/etc/resolv.conf".into()), "{read:?}");
        assert_eq!(readable(&Sandbox::of(Level::Basic), Path::new("x.so")), None);
    }
}
