//! A table with fixed keys: the macro that mirrors it as a flat struct, and what is said about a key it does not have.

use toml::de::DeTable;

use super::later::LATER;
use super::read::{Item, mismatch};
use crate::config::report::Problem;
use crate::config::source::Source;

/// One key of the file, for the reference and for suggestions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The header of its table: `server`, `functions.NAME`, empty for the top of the file.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: String,
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A mirrored table.
pub(crate) trait Section: Default {
    /// Its header.
    const HEADER: &'static str;

    /// Its keys, in the order of the reference.
    fn keys() -> Vec<Key>;

    /// Takes a value; `false` if there is no such key.
    fn set(&mut self, key: &str, item: &Item<'_>, source: &mut Source<'_>) -> bool;

    /// Notes that a misspelt key probably meant `key`: it is not missing, then.
    fn misspelt(&mut self, key: &'static str);
}

/// Mirrors tables of the file: each key is an optional field of the given type.
macro_rules! mirror {
    ($(
        $(#[doc = $about:literal])+
        [$header:literal] $section:ident {
            $( $(#[doc = $meaning:literal])+ $name:literal $field:ident: $type:ty $(= $default:literal)?; )*
        }
    )*) => { $(
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $section {
            $( $(#[doc = $meaning])+ pub(crate) $field: Option<Field<$type>>, )*
            /// Keys that were misspelt.
            pub(crate) meant: Vec<&'static str>,
        }

        impl Section for $section {
            const HEADER: &'static str = $header;

            fn keys() -> Vec<Key> {
                vec![$( Key {
                    section: $header,
                    name: $name,
                    kind: <$type as Read>::kind(),
                    default: concat!($($default)?),
                    meaning: concat!($($meaning),+).trim_ascii(),
                } ),*]
            }

            fn set(&mut self, key: &str, item: &Item<'_>, source: &mut Source<'_>) -> bool {
                match key {
                    $( $name => self.$field = Some(field(item, key, source)), )*
                    _ => return false,
                }
                true
            }

            fn misspelt(&mut self, key: &'static str) {
                self.meant.push(key);
            }
        }

        impl Read for $section {
            fn kind() -> String {
                "table".into()
            }

            fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
                section::read(item, key, source)
            }
        }
    )* };
}
pub(super) use mirror;

/// Reads a table into its mirror.
pub(super) fn read<S: Section>(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<S> {
    match item.get_ref().as_table() {
        Some(table) => Some(read_table(table, source)),
        None => {
            let names: Vec<_> = S::keys().iter().map(|key| key.name).collect();
            let mend = format!("write it in braces: {key} = {{ … }}, with {}", list(&names));
            source.wrong(mismatch(item, key, "a table", mend));
            None
        }
    }
}

/// Reads the keys of a table; those it should not have are noted.
pub(super) fn read_table<S: Section>(table: &DeTable<'_>, source: &mut Source<'_>) -> S {
    let mut section = S::default();
    for (key, item) in table {
        let name: &str = key.get_ref().as_ref();
        if !section.set(name, item, source) {
            let unknown = unknown::<S>(name);
            source.wrong(Problem::at(&key.span(), unknown.message).help(unknown.mend));
            unknown.meant.into_iter().for_each(|key| section.misspelt(key));
        }
    }
    section
}

/// What is said of a key that the section does not have, and which key it stands for.
struct Unknown {
    message: String,
    mend: String,
    meant: Option<&'static str>,
}

fn unknown<S: Section>(name: &str) -> Unknown {
    if let Some(later) = LATER.iter().find(|l| l.section == S::HEADER && l.key == name) {
        let message = format!("this version does not have {}", later.what);
        return Unknown { message, mend: later.instead.into(), meant: Some(later.key) };
    }
    let keys = S::keys();
    let close = closest(name, keys.iter().map(|key| key.name));
    let homes = homes(name, S::HEADER);
    let misplaced = !homes.is_empty() && close.is_none_or(|close| distance(name, close) > 1);
    let mend = match close {
        _ if misplaced => format!("`{name}` belongs {}", homes.join(" or ")),
        Some(close) => format!("did you mean `{close}`?"),
        None => {
            let names: Vec<_> = keys.iter().map(|key| key.name).collect();
            format!("the keys here are {}", list(&names))
        }
    };
    let message = format!("unknown key `{name}` {}", home(S::HEADER));
    let here = super::keys().iter().find(|key| key.name == name).map(|key| key.name);
    Unknown { message, mend, meant: if misplaced { here } else { close } }
}

/// Where else a key is known; the top of the file wins.
fn homes(name: &str, here: &str) -> Vec<String> {
    let all = super::keys();
    let mut sections: Vec<_> =
        all.iter().filter(|k| k.name == name && k.section != here).map(|k| k.section).collect();
    sections.retain(|section| *section != super::Argument::HEADER);
    if sections.contains(&"") {
        return vec!["at the top of the file, before the first [table]".into()];
    }
    let mut homes: Vec<_> = sections.into_iter().map(home).collect();
    homes.dedup();
    homes.truncate(4);
    homes
}

/// A section as a message names it.
fn home(section: &str) -> String {
    match (section, section.rsplit_once('.')) {
        ("", _) => "at the top of the file".into(),
        ("routes" | "server.listeners", _) => format!("in [[{section}]]"),
        (super::Argument::HEADER, _) => "in an argument".into(),
        ("log.access" | "upstreams.NAME" | "functions.NAME" | "sandboxes.NAME", _) => {
            format!("in [{section}]")
        }
        ("functions.NAME.queue", _) => "in `queue = { … }` of a function".into(),
        ("sandboxes.NAME.limits", _) => "in `limits = { … }` of a sandbox".into(),
        ("upstreams.NAME.queue", _) => "in `queue = { … }` of an upstream".into(),
        ("server.listeners.tls", _) => "in `tls = { … }` of a listener".into(),
        ("upstreams.NAME.tls", _) => "in `tls = { … }` of an upstream".into(),
        (_, Some((_, table))) => format!("in `{table} = {{ … }}`"),
        _ => format!("in [{section}]"),
    }
}

fn distance(name: &str, known: &str) -> usize {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    strsim::damerau_levenshtein(&plain(name), &plain(known))
}

/// The name most like a misspelt one, if one is near.
pub(crate) fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = |known: &str| {
        let cut = known.starts_with(name) || name.starts_with(known);
        cut && name.len() > 2 || distance(name, known) <= (known.len().max(name.len()) / 3).max(1)
    };
    known.filter(|known| near(known)).min_by_key(|known| distance(name, known))
}

/// `a`, `b` and `c`.
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => "none".into(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
