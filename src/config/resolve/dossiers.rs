//! `[dossiers]`.

use super::{number, parsed, require, value_or, word};
use crate::config::raw::{File, Size};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::config::{Dossiers, Inputs};

/// The largest one must fit.
const LEAST: u64 = 4 << 20;
const DEFAULT: u64 = 64 << 20;

/// `None` where it is not written, or wrong.
pub(super) fn dossiers(file: &File, source: &mut Source<'_>) -> Option<Dossiers> {
    let field = file.dossiers.as_ref()?;
    let raw = field.value.as_ref()?;
    let mend = "write directory = \"/var/lib/cofferdam/dossiers\"";
    let section = (&field.span, raw.meant.as_slice());
    require(raw.directory.as_ref(), "directory", section, mend, source);
    let directory = parsed(raw.directory.as_ref(), source, |text| match text {
        "" => Err(Complaint::new("the folder of the dossiers has no name", mend)),
        text => Ok(text.to_owned()),
    });
    let keep = number(raw.keep.as_ref(), "keep", 1..=10_000, 100, source);
    let Size(size) = value_or(raw.size.as_ref(), Size(DEFAULT));
    if let (Some(field), true) = (&raw.size, size < LEAST) {
        let problem = Problem::at(&field.span, "`size` must be at least 4MiB");
        source.wrong(problem.help(
            "write size = \"64MiB\", the default, or another one: the largest dossier must fit",
        ));
    }
    let words = [("redacted", Inputs::Redacted), ("whole", Inputs::Whole)];
    let inputs = word(raw.inputs.as_ref(), "inputs", &words, Inputs::Redacted, source);
    Some(Dossiers { directory: source.resolve_path(&directory?), keep, size, inputs })
}
