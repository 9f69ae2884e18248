//! `cofferdam doctor`: what this kernel lets this user do, what is weaker than it could be, why, and the mend.
//! It asks what `run` asks and changes nothing.

use std::io::{self, Write};
use std::path::Path;

use crate::app::AppError;
use crate::child::groups::place;
use crate::child::sandbox::{Feature, calls};
use crate::child::{Spawner, WorkerProgram};
use crate::sys::orphans::Children;
use crate::sys::{descriptors, landlock, priority, privileges, procfs};

/// What was looked at.
struct Finding {
    name: &'static str,
    /// What it is for.
    purpose: &'static str,
    /// How it is done here; or why it is not, and the mend.
    found: Result<String, String>,
}

/// Tells all findings, one below the other. What is degraded is no failure.
///
/// # Errors
/// Standard output is gone.
pub fn doctor(worker: Option<&Path>) -> Result<(), AppError> {
    print(&findings(worker)).map_err(AppError::runtime)
}

/// Tells which system calls a sandbox refuses, and which `strict` leaves.
///
/// # Errors
/// Standard output is gone.
pub fn system_calls() -> Result<(), AppError> {
    let lists = [
        ("refused with EPERM from `basic` on", calls::DENIED),
        (
            "left under `strict`: any other ends the call with 502 `sandbox_violation`",
            calls::ALLOWED,
        ),
        ("left under `strict` where ports are", calls::NETWORK),
    ];
    let print = || {
        let mut out = io::stdout().lock();
        for (what, groups) in lists {
            writeln!(out, "{what}:")?;
            for group in groups {
                let names: Vec<_> = group.calls().collect();
                writeln!(out, "  {}\n    {}", group.why, names.join(" "))?;
            }
        }
        Ok(())
    };
    print().map_err(|problem: io::Error| AppError::runtime(problem))
}

fn print(findings: &[Finding]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(
        out,
        "Linux {} {}, user {}",
        release.trim(),
        std::env::consts::ARCH,
        privileges::user()
    )?;
    for finding in findings {
        let (word, told) = match &finding.found {
            Ok(how) => ("ok", how),
            Err(why) => ("degraded", why),
        };
        writeln!(out, "{word:9} {:12} {}", finding.name, finding.purpose)?;
        writeln!(out, "{:22} {told}", "")?;
    }
    let degraded = findings.iter().filter(|finding| finding.found.is_err()).count();
    match degraded {
        0 => writeln!(out, "everything works for a proxy that is started as this process was"),
        count => writeln!(
            out,
            "{count} degraded, for a proxy that is started as this process was: a service may have other rights"
        ),
    }
}

fn findings(worker: Option<&Path>) -> Vec<Finding> {
    let program = WorkerProgram::locate(worker);
    let mut found = vec![Finding {
        name: "worker",
        purpose: "calls run in a program of their own",
        found: program.map(|_| "found".to_owned()).map_err(|problem| problem.to_string()),
    }];
    found.push(Finding {
        name: "descriptors",
        purpose: "workers inherit none",
        found: match descriptors::can_close_all() {
            Ok(()) => Ok("close_range(2)".to_owned()),
            Err(_) => Err("no worker starts: close_range(2) needs Linux 5.9 or later".to_owned()),
        },
    });
    found.extend(Feature::ALL.map(of_sandbox));
    found.extend([orphans(), blocking(), idle(), loops()]);
    found
}

fn of_sandbox(feature: Feature) -> Finding {
    let lacking = feature.lacking(|controller| place(controller).err());
    let (purpose, how) = match feature {
        Feature::Files => ("sandboxes restrict files by path", by_landlock()),
        Feature::Ports => ("sandboxes restrict TCP ports", by_landlock()),
        Feature::Signals => ("sandboxes keep signals to themselves", by_landlock()),
        Feature::Syscalls => ("sandboxes filter system calls", "seccomp(2)".to_owned()),
        Feature::User => {
            ("sandboxes may run calls as another user", "CAP_SETUID, CAP_SETGID".to_owned())
        }
        Feature::Memory | Feature::Pids => {
            let purpose = match feature {
                Feature::Memory => "sandboxes may limit the memory of a call",
                _ => "sandboxes may limit the processes of a call",
            };
            let place = feature.controller().and_then(|controller| place(controller).ok());
            let how = place.map(|place| {
                format!(
                    "control groups, version {}, in {}",
                    place.version(),
                    place.folder().display()
                )
            });
            (purpose, how.unwrap_or_default())
        }
    };
    let found = lacking.map_or(Ok(how), Err);
    Finding { name: feature.as_str(), purpose, found }
}

fn by_landlock() -> String {
    format!("Landlock, version {}", landlock::version())
}

fn orphans() -> Finding {
    let found = match Children::open() {
        Ok(_) => Ok("orphans come to the proxy".to_owned()),
        Err(_) => Err("processes that leave their group outlive their call: the kernel needs CONFIG_PROC_CHILDREN, or a \
                       sandbox `pids`"
            .to_owned()),
    };
    Finding { name: "leftovers", purpose: "what a call leaves behind ends with it", found }
}

fn blocking() -> Finding {
    let found = match procfs::doing(std::process::id()) {
        Some(_) => Ok("/proc/PID/syscall".to_owned()),
        None => Err("blocked time has no system call to it: the kernel shows no /proc/PID/syscall"
            .to_owned()),
    };
    Finding { name: "blocked", purpose: "what calls are blocked in is seen", found }
}

fn idle() -> Finding {
    let found = match Spawner::can_leave_idle() {
        true => Ok("SCHED_IDLE, and back".to_owned()),
        false => {
            Err("spares start at normal priority and may delay calls: give CAP_SYS_NICE".to_owned())
        }
    };
    Finding { name: "spares", purpose: "spares start when nobody else wants the CPU", found }
}

fn loops() -> Finding {
    let tried = std::thread::spawn(|| priority::set_nice(-10)).join();
    let found = match tried {
        Ok(Ok(())) => Ok("nice -10".to_owned()),
        _ => Err("calls that compute may delay fast routes: give CAP_SYS_NICE, or LimitNICE=-10 of systemd".to_owned()),
    };
    Finding { name: "priority", purpose: "event loops go before workers", found }
}
