//! Control groups of workers: one for each call that has a limit of memory or of processes. Each worker makes its own, in a
//! folder that is made here; it is known by the worker's process id.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::{Function, Sandbox};
use crate::sys::cgroup;
use crate::sys::mounts::{Version, own_group};
use crate::sys::orphans::kill;
use crate::wire::Group;

/// What is limited by groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Bytes of memory.
    Memory,
    /// Processes and threads.
    Pids,
}

impl Controller {
    fn as_str(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
        }
    }
}

/// Begins the name of a folder of workers' groups; the proxy's process id follows.
const WORKERS: &str = "cofferdam.";
/// Where the proxy itself goes under version 2: a group with groups below has no processes of its own.
const PROXY: &str = "cofferdam-proxy";

/// Between two tries to remove a group whose processes were killed.
const PAUSE: Duration = Duration::from_millis(5);

/// A folder in which workers make their groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    version: Version,
    folder: PathBuf,
}

/// The folders of this process; dropped, they are removed.
#[derive(Debug)]
pub struct Groups {
    memory: Result<Home, String>,
    pids: Result<Home, String>,
}

impl Groups {
    /// Makes what `functions` need. Moves this process into a group below its own where version 2 wants that.
    #[must_use]
    pub fn prepare(functions: &[Arc<Function>]) -> Self {
        let wanted = |wants: fn(&Sandbox) -> bool| functions.iter().any(|f| wants(&f.sandbox));
        let home = |wanted: bool, controller| match wanted {
            true => place(controller).and_then(|place| place.settle(controller)),
            false => Err("no function asks for it".to_owned()),
        };
        Self {
            memory: home(wanted(|sandbox| sandbox.memory.is_some()), Controller::Memory),
            pids: home(wanted(|sandbox| sandbox.pids.is_some()), Controller::Pids),
        }
    }

    /// Kills what is in them, and removes them.
    pub fn clear(&self) {
        for home in [&self.memory, &self.pids].into_iter().flatten() {
            home.clear();
        }
    }

    fn home(&self, controller: Controller) -> &Result<Home, String> {
        match controller {
            Controller::Memory => &self.memory,
            Controller::Pids => &self.pids,
        }
    }

    /// Why a controller cannot be used.
    #[must_use]
    pub fn lacking(&self, controller: Controller) -> Option<String> {
        self.home(controller).as_ref().err().cloned()
    }

    /// What a worker of `sandbox` makes, and where its groups will be.
    #[must_use]
    pub fn of(&self, sandbox: &Sandbox) -> (Vec<Group>, Vec<Home>) {
        let wanted = [(Controller::Memory, sandbox.memory), (Controller::Pids, sandbox.pids)];
        let mut groups: Vec<Group> = Vec::new();
        let mut homes: Vec<Home> = Vec::new();
        for (controller, most) in wanted {
            let (Some(most), Ok(home)) = (most, self.home(controller)) else { continue };
            let settings = home.settings(controller, most);
            match groups.iter_mut().find(|group| group.folder == home.folder) {
                Some(group) => group.settings.extend(settings),
                None => {
                    groups.push(Group { folder: home.folder.clone(), settings });
                    homes.push(home.clone());
                }
            }
        }
        (groups, homes)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A place where folders of workers' groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    version: Version,
    folder: PathBuf,
}

/// Where groups with `controller` can be made; nothing is made yet.
///
/// # Errors
/// Why nowhere, and the mend.
pub fn place(controller: Controller) -> Result<Place, String> {
    let name = controller.as_str();
    let Some((version, own)) = own_group(name) else {
        return Err(format!(
            "no control group here has the controller `{name}`: under systemd set Delegate={name}, in a container mount \
             /sys/fs/cgroup for writing, elsewhere start the proxy as root"
        ));
    };
    let folder = match own.parent() {
        // A proxy that another one started anew is there already.
        Some(parent) if own.ends_with(PROXY) => parent.to_owned(),
        _ => own,
    };
    let may_write = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK);
    may_write.map_err(|problem| {
        format!(
            "the control group {} is not this user's to change ({problem}): under systemd set Delegate={name}",
            folder.display()
        )
    })?;
    Ok(Place { version, folder })
}

impl Place {
    /// The version of its tree, for people.
    #[must_use]
    pub fn version(&self) -> u8 {
        match self.version {
            Version::One => 1,
            Version::Two => 2,
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn settle(self, controller: Controller) -> Result<Home, String> {
        let told = |problem: std::io::Error| {
            format!("no control groups can be made in {}: {problem}", self.folder.display())
        };
        self.forget_the_dead();
        let folder = self.folder.join(format!("{WORKERS}{}", std::process::id()));
        if self.version == Version::Two {
            self.make_room().map_err(|problem| {
                format!(
                    "{}; it must hold no process but the proxy (under systemd: Delegate=yes)",
                    told(problem)
                )
            })?;
            let enabled =
                [("cgroup.subtree_control".to_owned(), format!("+{}", controller.as_str()))];
            cgroup::make(&self.folder, &enabled)
                .and_then(|()| cgroup::make(&folder, &enabled))
                .map_err(told)?;
        } else {
            cgroup::make(&folder, &[]).map_err(told)?;
        }
        Ok(Home { version: self.version, folder })
    }

    /// The root of the tree may have processes beside groups; it has no `cgroup.type`.
    fn make_room(&self) -> std::io::Result<()> {
        if !self.folder.join("cgroup.type").exists() {
            return Ok(());
        }
        let own = self.folder.join(PROXY);
        cgroup::make(&own, &[])?;
        cgroup::join(&own)
    }

    /// What proxies left that were killed.
    fn forget_the_dead(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let pid =
                name.to_str().and_then(|name| name.strip_prefix(WORKERS)?.parse::<u32>().ok());
            if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                Home { version: self.version, folder: entry.path() }.clear();
            }
        }
    }
}

impl Home {
    fn settings(&self, controller: Controller, most: u64) -> Vec<(String, String)> {
        let set = |file: &str, value: &dyn ToString| (file.to_owned(), value.to_string());
        match (self.version, controller) {
            (_, Controller::Pids) => vec![set("pids.max", &most)],
            (Version::One, Controller::Memory) => {
                let mut settings = vec![set("memory.limit_in_bytes", &most)];
                // With swap; a kernel that does not count swap has no such file.
                if self.folder.join("memory.memsw.limit_in_bytes").exists() {
                    settings.push(set("memory.memsw.limit_in_bytes", &most));
                }
                settings
            }
            (Version::Two, Controller::Memory) => {
                let mut settings = vec![set("memory.max", &most), set("memory.oom.group", &1)];
                if self.folder.join("memory.swap.max").exists() {
                    settings.push(set("memory.swap.max", &0));
                }
                settings
            }
        }
    }

    fn of(&self, pid: u32) -> PathBuf {
        self.folder.join(pid.to_string())
    }

    /// Whether the kernel killed something in the worker's group because its memory was used up.
    #[must_use]
    pub fn was_out_of_memory(&self, pid: u32) -> bool {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        cgroup::count(&self.of(pid), file, "oom_kill").is_some_and(|kills| kills > 0)
    }

    /// Kills what is in the group of a worker that is gone, and tells who that was.
    pub fn empty(&self, pid: u32) -> Vec<u32> {
        self.empty_group(&self.of(pid))
    }

    fn empty_group(&self, group: &Path) -> Vec<u32> {
        let left = cgroup::members(group);
        let at_once =
            self.version == Version::Two && cgroup::set(group, "cgroup.kill", "1").is_ok();
        if !at_once && !left.is_empty() {
            // Nobody is born any more while they are killed one by one.
            let _no_such_file = cgroup::set(group, "pids.max", "0");
            left.iter().for_each(|pid| kill(*pid));
        }
        left
    }

    /// Removes the group of a worker that is gone; false while something is in it.
    #[must_use]
    pub fn remove(&self, pid: u32) -> bool {
        let group = self.of(pid);
        cgroup::remove(&group).is_ok() || !group.exists()
    }

    /// Removes it with all groups in it; waits a little for what is killed in them.
    fn clear(&self) {
        const TRIES: usize = 100;
        for _ in 0..TRIES {
            self.try_to_clear();
            if !self.folder.exists() {
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }

    fn try_to_clear(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _killed = self.empty_group(&entry.path());
                let _not_empty_yet = cgroup::remove(&entry.path());
            }
        }
        let _not_empty_yet = cgroup::remove(&self.folder);
    }
}
