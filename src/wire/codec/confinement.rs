//! [`Confinement`] as bytes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::CodecError;
use super::reader::Reader;
use super::writer::Writer;
use crate::sys::landlock::Rules;
use crate::sys::limits::Resource;
use crate::wire::{Confinement, Group};

pub(super) fn put_confinement(out: &mut Writer<'_>, confinement: &Confinement) {
    out.list(&confinement.groups, |out, group| {
        put_path(out, &group.folder);
        out.list(&group.settings, |out, (file, value)| {
            out.text(file);
            out.text(value);
        });
    });
    out.list(&confinement.limits, |out, (resource, most)| {
        out.u8(resource.index());
        out.u64(*most);
    });
    out.u16(confinement.oom_score);
    put_some(out, confinement.user.as_ref(), |out, (user, group)| {
        out.u32(*user);
        out.u32(*group);
    });
    put_some(out, confinement.capabilities.as_ref(), |out, kept| out.u64(*kept));
    put_reach(out, &confinement.reach);
    out.bytes(&confinement.deny);
    out.bytes(&confinement.seal);
    out.bytes(&confinement.allow);
}

pub(super) fn confinement(input: &mut Reader<'_>) -> Result<Confinement, CodecError> {
    Ok(Confinement {
        groups: input.list(|input| {
            let folder = path(input)?;
            let settings = input.list(|input| Ok((input.c_text()?, input.c_text()?)))?;
            Ok(Group { folder, settings })
        })?,
        limits: input.list(|input| Ok((resource(input.u8()?)?, input.u64()?)))?,
        oom_score: input.u16()?,
        user: some(input, |input| Ok((input.u32()?, input.u32()?)))?,
        capabilities: some(input, |input| input.u64())?,
        reach: reach(input)?,
        deny: input.bytes()?,
        seal: input.bytes()?,
        allow: input.bytes()?,
    })
}

fn resource(index: u8) -> Result<Resource, CodecError> {
    let unknown = CodecError::Unknown { what: "resource", tag: index };
    Resource::ALL.get(usize::from(index)).copied().ok_or(unknown)
}

fn put_reach(out: &mut Writer<'_>, reach: &Rules<PathBuf>) {
    for paths in [&reach.read, &reach.write] {
        put_some(out, paths.as_ref(), |out, paths| {
            out.list(paths, |out, path| put_path(out, path))
        });
    }
    for ports in [&reach.connect, &reach.bind] {
        put_some(out, ports.as_ref(), |out, ports| out.list(ports, |out, port| out.u16(*port)));
    }
    out.u8(u8::from(reach.own_signals));
    out.u8(u8::from(reach.own_sockets));
}

fn reach(input: &mut Reader<'_>) -> Result<Rules<PathBuf>, CodecError> {
    Ok(Rules {
        read: some(input, |input| input.list(path))?,
        write: some(input, |input| input.list(path))?,
        connect: some(input, |input| input.list(|input| input.u16()))?,
        bind: some(input, |input| input.list(|input| input.u16()))?,
        own_signals: flag(input)?,
        own_sockets: flag(input)?,
    })
}

fn put_path(out: &mut Writer<'_>, path: &std::path::Path) {
    out.bytes(path.as_os_str().as_bytes());
}

fn path(input: &mut Reader<'_>) -> Result<PathBuf, CodecError> {
    input.bytes().map(|bytes| OsString::from_vec(bytes).into())
}

fn put_some<T>(out: &mut Writer<'_>, value: Option<&T>, put: impl FnOnce(&mut Writer<'_>, &T)) {
    out.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn some<T>(
    input: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<Option<T>, CodecError> {
    flag(input)?.then(|| read(input)).transpose()
}

fn flag(input: &mut Reader<'_>) -> Result<bool, CodecError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        tag => Err(CodecError::Unknown { what: "flag", tag }),
    }
}
