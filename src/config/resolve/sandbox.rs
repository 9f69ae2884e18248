//! `[sandboxes.NAME]` over the level that it begins with, and the names that functions give.

use std::sync::Arc;

use super::{name, parsed, value, word};
use crate::config::raw::{self, AnyOr, Field, File, Named, Off, Size, closest, list};
use crate::config::report::Problem;
use crate::config::sandbox::{Level, Limits, Reach, Sandbox, Variable};
use crate::config::source::{Complaint, Source};
use crate::sys::{privileges, syscalls};

/// What a worker itself takes, and a little: below it none could start.
const LEAST_MEMORY: u64 = 4 << 20;

/// All sandboxes. One whose value is `None` was wrong, which has been said.
pub(super) struct Sandboxes {
    named: Vec<(String, Option<Arc<Sandbox>>)>,
}

/// Reads `[sandboxes.NAME]`; the levels are there by their own names.
pub(super) fn named(file: &File, source: &mut Source<'_>) -> Sandboxes {
    let plain = |level: Level| (level.as_str().to_owned(), Some(Arc::new(Sandbox::of(level))));
    let mut named: Vec<_> = Level::ALL.into_iter().map(plain).collect();
    let written = value(file.sandboxes.as_ref());
    for (key, field) in written.map(|Named(entries)| entries.as_slice()).unwrap_or_default() {
        let sandbox = one(key, field, source).map(Arc::new);
        named.push((key.value.clone().unwrap_or_default(), sandbox));
    }
    Sandboxes { named }
}

impl Sandboxes {
    /// The one that a function names; `basic`, where it names none.
    pub(super) fn find(
        &self,
        field: Option<&Field<String>>,
        source: &mut Source<'_>,
    ) -> Arc<Sandbox> {
        let found = parsed(field, source, |text| {
            let found = self.named.iter().find(|(name, _)| name == text);
            found.map(|(_, sandbox)| sandbox.clone()).ok_or_else(|| self.no_such(text))
        });
        found.flatten().unwrap_or_else(|| Arc::new(Sandbox::of(Level::Basic)))
    }

    fn no_such(&self, text: &str) -> Complaint {
        let names: Vec<_> = self.named.iter().map(|(name, _)| name.as_str()).collect();
        let mend = match closest(text, names.iter().copied()) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!("define [sandboxes.{text}], or name one of {}", list(&names)),
        };
        Complaint::new(format!("there is no sandbox `{text}`"), mend)
    }
}

fn one(
    key: &Field<String>,
    field: &Field<raw::Sandbox>,
    source: &mut Source<'_>,
) -> Option<Sandbox> {
    let name = parsed(Some(key), source, own_name);
    let raw = field.value.as_ref()?;
    let words = Level::ALL.map(|level| (level.as_str(), level));
    let level = word(raw.level.as_ref(), "level", &words, Level::Basic, source);
    let plain = Sandbox::of(level);
    Some(Sandbox {
        level,
        read: reach(raw.read.as_ref(), plain.read, source),
        write: reach(raw.write.as_ref(), plain.write, source),
        connect: ports(raw.connect.as_ref(), "connect", plain.connect, source),
        bind: ports(raw.bind.as_ref(), "bind", plain.bind, source),
        environment: environment(raw.environment.as_ref(), plain.environment, source),
        allow_syscalls: system_calls(raw.allow_syscalls.as_ref(), source),
        deny_syscalls: system_calls(raw.deny_syscalls.as_ref(), source),
        limits: limits(value(raw.limits.as_ref()), plain.limits, source),
        memory: memory(raw.memory.as_ref(), source),
        pids: count(raw.pids.as_ref(), "pids", None, source),
        user: user(raw, source),
        name: name?,
    })
}

fn own_name(text: &str) -> Result<String, Complaint> {
    match Level::ALL.iter().find(|level| level.as_str() == text) {
        None => name::label(text),
        Some(_) => Err(Complaint::new(
            format!("`{text}` is a level: a sandbox of your own has another name"),
            format!("write [sandboxes.my-{text}] with level = \"{text}\""),
        )),
    }
}

fn reach(field: Option<&Field<AnyOr<String>>>, or: Reach, source: &mut Source<'_>) -> Reach {
    let paths = match value(field) {
        None => return or,
        Some(AnyOr::Any) => return Reach::Any,
        Some(AnyOr::These(paths)) => paths,
    };
    let path = |path: &Field<String>| {
        let written = parsed(Some(path), source, |text| match text {
            "" => Err(Complaint::new(
                "a path is missing",
                "write a file or a folder, as \"/srv/data\"",
            )),
            _ => Ok(text.to_owned()),
        })?;
        Some(source.resolve_path(&written))
    };
    Reach::Only(paths.iter().filter_map(path).collect())
}

fn ports(
    field: Option<&Field<AnyOr<i64>>>,
    key: &str,
    or: Option<Vec<u16>>,
    source: &mut Source<'_>,
) -> Option<Vec<u16>> {
    let ports = match value(field) {
        None => return or,
        Some(AnyOr::Any) => return None,
        Some(AnyOr::These(ports)) => ports,
    };
    let mut found = Vec::new();
    for port in ports {
        match port.value.map(u16::try_from) {
            Some(Ok(port)) if port > 0 => found.push(port),
            Some(_) => {
                let problem = Problem::at(&port.span, "a port is a number from 1 to 65535");
                source.wrong(problem.help(format!("write {key} = [443]")));
            }
            None => {}
        }
    }
    Some(found)
}

fn environment(
    field: Option<&Field<Vec<Field<String>>>>,
    or: Vec<Variable>,
    source: &mut Source<'_>,
) -> Vec<Variable> {
    let Some(variables) = value(field) else { return or };
    let variable = |field: &Field<String>| {
        parsed(Some(field), source, |text| {
            Variable::parse(text).ok_or_else(|| {
                let mend =
                    "write \"NAME\" or \"PREFIX*\" to keep what the proxy has, or \"NAME=VALUE\"";
                Complaint::new(format!("`{text}` is no variable"), mend)
            })
        })
    };
    variables.iter().filter_map(variable).collect()
}

fn system_calls(field: Option<&Field<Vec<Field<String>>>>, source: &mut Source<'_>) -> Vec<String> {
    let name = |field: &Field<String>| {
        parsed(Some(field), source, |text| {
            if syscalls::number(text).is_some() {
                return Ok(text.to_owned());
            }
            let mend = match closest(text, syscalls::names()) {
                Some(close) => format!("did you mean \"{close}\"?"),
                None => "write the kernel's name, as `strace` shows it: \"openat\"".into(),
            };
            Err(Complaint::new(format!("this machine has no system call `{text}`"), mend))
        })
    };
    value(field).map(|names| names.iter().filter_map(name).collect()).unwrap_or_default()
}

fn limits(raw: Option<&raw::Limits>, or: Limits, source: &mut Source<'_>) -> Limits {
    let Some(raw) = raw else { return or };
    let bytes = |field: Option<&Field<Off<Size>>>, or| match value(field) {
        None => or,
        Some(written) => written.on().map(|Size(bytes)| bytes),
    };
    let cpu = match value(raw.cpu.as_ref()) {
        None => or.cpu,
        Some(written) => written.on(),
    };
    if cpu.is_some_and(|cpu| cpu.subsec_nanos() > 0)
        && let Some(field) = &raw.cpu
    {
        let problem = Problem::at(&field.span, "`cpu` is counted in whole seconds");
        source.wrong(
            problem.help("write cpu = \"1s\", or more; `timeout` bounds a call more finely"),
        );
    }
    Limits {
        core: bytes(raw.core.as_ref(), Some(or.core)).unwrap_or(0),
        cpu,
        file_size: bytes(raw.file_size.as_ref(), or.file_size),
        open_files: count(raw.open_files.as_ref(), "open_files", or.open_files, source),
        address_space: bytes(raw.address_space.as_ref(), or.address_space),
        processes: count(raw.processes.as_ref(), "processes", or.processes, source),
    }
}

/// A number from 8, since a worker itself needs a few; "off" is no limit.
fn count(
    field: Option<&Field<Off<i64>>>,
    key: &str,
    or: Option<u64>,
    source: &mut Source<'_>,
) -> Option<u64> {
    let Some(Field { value: Some(written), span }) = field else { return or };
    let written = written.on()?;
    if !(8..=4_194_304).contains(&written) {
        let problem = Problem::at(span, format!("`{key}` must be from 8 to 4194304"));
        source.wrong(problem.help(format!("write {key} = 256, or \"off\" for no limit")));
    }
    u64::try_from(written).ok()
}

fn memory(field: Option<&Field<Off<Size>>>, source: &mut Source<'_>) -> Option<u64> {
    let Size(bytes) = value(field)?.on()?;
    if bytes < LEAST_MEMORY
        && let Some(field) = field
    {
        let problem = Problem::at(&field.span, "`memory` must be at least 4MiB");
        source.wrong(problem.help("write memory = \"64MiB\": the library's code counts, too"));
    }
    Some(bytes)
}

fn user(raw: &raw::Sandbox, source: &mut Source<'_>) -> Option<(u32, u32)> {
    if let (None, Some(group)) = (&raw.user, &raw.group) {
        let problem = Problem::at(&group.span, "`group` goes with a `user`");
        source.wrong(problem.help("write the user as well: user = \"nobody\""));
    }
    let user = parsed(raw.user.as_ref(), source, |text| match text.parse() {
        Ok(id) => Ok((id, id)),
        Err(_) => privileges::user_named(text).ok_or_else(|| nobody("user", text)),
    });
    let group = parsed(raw.group.as_ref(), source, |text| match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => privileges::group_named(text).ok_or_else(|| nobody("group", text)),
    });
    user.map(|(user, own)| (user, group.unwrap_or(own)))
}

fn nobody(what: &str, text: &str) -> Complaint {
    let mend = format!("write a name that `getent` knows, or a number: {what} = \"65534\"");
    Complaint::new(format!("this machine has no {what} `{text}`"), mend)
}
