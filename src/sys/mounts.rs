//! Where the control groups of this process are (`cgroups(7)`).

use std::fs;
use std::path::{Path, PathBuf};

/// The two kinds, which a machine may have side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A tree for each controller.
    One,
    /// One tree.
    Two,
}

/// The folder of this process's own group in the tree that has `controller`; `None` where no tree has.
#[must_use]
pub fn own_group(controller: &str) -> Option<(Version, PathBuf)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    find(controller, &mounts, &groups, |folder| {
        fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default()
    })
}

fn find(
    controller: &str,
    mounts: &str,
    groups: &str,
    controllers: impl Fn(&Path) -> String,
) -> Option<(Version, PathBuf)> {
    let one = || {
        let mut lines = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let (_, group) =
            lines.find(|(names, _)| names.split(',').any(|name| name == controller))?;
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| {
            mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller)
        })?;
        Some((Version::One, mount.folder(group)?))
    };
    let two = || {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mount =
            mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2")?;
        let folder = mount.folder(group)?;
        let has = controllers(&folder).split_ascii_whitespace().any(|name| name == controller);
        has.then_some((Version::Two, folder))
    };
    two().or_else(one)
}

/// A line of `mountinfo` (`proc_pid_mountinfo(5)`).
struct Mount<'l> {
    root: &'l str,
    point: &'l str,
    kind: &'l str,
    options: &'l str,
}

impl<'l> Mount<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let (head, tail) = line.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let mut tail = tail.split(' ');
        Some(Self {
            root: head.next()?,
            point: head.next()?,
            kind: tail.next()?,
            options: tail.nth(1)?,
        })
    }

    /// A container sees a part of the tree: what lies above its root cannot be reached.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        Some(Path::new(self.point).join(below).components().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                       35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
                       41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const OURS: &str = "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n";

    #[test]
    fn a_controller_is_found_where_it_is() {
        let none = |_: &Path| "hugetlb\n".to_owned();
        let all = |_: &Path| "cpu memory pids\n".to_owned();
        let found = |version, path: &str| Some((version, path.into()));
        let one = |controller| find(controller, ONE, OURS, none);
        assert_eq!(one("memory"), found(Version::One, "/sys/fs/cgroup/memory/a/b"));
        assert_eq!(one("cpuacct"), found(Version::One, "/sys/fs/cgroup/cpu"));
        assert_eq!(one("pids"), None);
        assert_eq!(one("mem"), None);
        let two = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let unit = "0::/system.slice/cofferdam.service\n";
        assert_eq!(
            find("pids", two, unit, all),
            found(Version::Two, "/sys/fs/cgroup/system.slice/cofferdam.service")
        );
        assert_eq!(find("pids", two, unit, none), None);
    }

    #[test]
    fn a_container_sees_the_part_of_the_tree_that_is_its_own() {
        let mounts = "35 31 0:32 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let at = |group| find("memory", mounts, group, |_| String::new());
        assert_eq!(
            at("4:memory:/docker/x/y\n"),
            Some((Version::One, "/sys/fs/cgroup/memory/y".into()))
        );
        assert_eq!(at("4:memory:/other\n"), None);
    }
}
