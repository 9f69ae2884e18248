//! `[upstreams.NAME]`, and URLs where a name could stand: each origin once.

mod places;
mod settings;
mod tls;

use std::sync::Arc;

use super::{name, parsed, value};
use crate::config::Upstream;
use crate::config::raw::{self, Field, File, Named, closest, list};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};

use places::Places;

/// What the upstream of the top-level `upstream = URL` is called, and the route that it stands for.
pub(super) const TOP: &str = "upstream";

/// All upstreams, so far. One whose value is `None` was wrong, which has been said.
pub(super) struct Upstreams {
    named: Vec<(String, Option<Arc<Upstream>>)>,
    /// Those written as a URL.
    plain: Vec<Arc<Upstream>>,
}

/// Reads `[upstreams.NAME]`.
pub(super) fn named(file: &File, source: &mut Source<'_>) -> Upstreams {
    let written = value(file.upstreams.as_ref());
    let entries = written.map(|Named(entries)| entries.as_slice()).unwrap_or_default();
    let named = entries.iter().map(|(key, field)| {
        let upstream = one(key, field, source).map(Arc::new);
        (key.value.clone().unwrap_or_default(), upstream)
    });
    Upstreams { named: named.collect(), plain: Vec::new() }
}

fn one(
    key: &Field<String>,
    field: &Field<raw::Upstream>,
    source: &mut Source<'_>,
) -> Option<Upstream> {
    let name = parsed(Some(key), source, name::label);
    let raw = field.value.as_ref()?;
    let places = places::of(raw, &field.span, source);
    settings::upstream(name?, places?, raw, source)
}

impl Upstreams {
    /// What a NAME or a URL means; one that is new by its URL is called `or_named`.
    pub(super) fn find(
        &mut self,
        field: &Field<String>,
        or_named: &str,
        source: &mut Source<'_>,
    ) -> Option<Arc<Upstream>> {
        let text = field.value.as_ref()?;
        if let Some((_, upstream)) = self.named.iter().find(|(name, _)| name == text) {
            return upstream.clone();
        }
        if let Some(top) = self.plain.iter().find(|top| top.name == TOP && text == TOP) {
            return Some(top.clone());
        }
        if !text.contains(':') {
            source.complain(&field.span, text, self.no_such(text));
            return None;
        }
        let places = places::one(field, source)?;
        self.plain(field, places, or_named, source)
    }

    fn plain(
        &mut self,
        field: &Field<String>,
        places: Places,
        name: &str,
        source: &mut Source<'_>,
    ) -> Option<Arc<Upstream>> {
        let raw = raw::Upstream::default();
        let new = settings::upstream(name.into(), places, &raw, source)?;
        let is_same = |known: &&Arc<Upstream>| {
            known.origins == new.origins && known.tls.is_some() == new.tls.is_some()
        };
        if let Some(known) = self.plain.iter().find(is_same) {
            return Some(known.clone());
        }
        if self.named.iter().any(|(other, _)| other == name) {
            let message = format!("this upstream would be named `{name}`, as another one is");
            let mend = format!(
                "write \"{name}\" if you mean [upstreams.{name}], or give that one another name"
            );
            source.wrong(Problem::at(&field.span, message).help(mend));
            return None;
        }
        let new = Arc::new(new);
        self.plain.push(new.clone());
        Some(new)
    }

    fn no_such(&self, text: &str) -> Complaint {
        let names: Vec<_> = self.named.iter().map(|(name, _)| name.as_str()).collect();
        let mend = match closest(text, names.iter().copied()) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None if names.is_empty() => {
                format!("write a URL, \"http://127.0.0.1:5000\", or define [upstreams.{text}]")
            }
            None => format!("the upstreams are {}; a URL will do as well", list(&names)),
        };
        Complaint::new(format!("there is no upstream `{text}`"), mend)
    }

    /// All, each once.
    pub(super) fn into_list(self) -> Vec<Arc<Upstream>> {
        self.named.into_iter().filter_map(|(_, upstream)| upstream).chain(self.plain).collect()
    }
}
