//! A file while it is read: its text, where it lies, the environment it may name, and what was found wrong so far.

use std::path::{Component, Path, PathBuf};

use super::report::{Problem, Span};

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Passed along by all who read; whoever finds something wrong says so here and goes on.
pub(crate) struct Source<'a> {
    /// As given.
    pub(crate) path: &'a Path,
    /// The whole file.
    pub(crate) text: &'a str,
    /// What `${VAR}` means.
    pub(crate) environment: Environment<'a>,
    /// So far.
    pub(crate) problems: Vec<Problem>,
}

impl Source<'_> {
    /// Notes what is wrong.
    pub(crate) fn wrong(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The place of a part of a string, where the file holds the string as it is; else the whole string's.
    pub(crate) fn inside(&self, span: &Span, string: &str, part: &Span) -> Span {
        let written = self.text.get(span.clone()).unwrap_or_default();
        match written.find(string) {
            Some(offset) if !string.is_empty() => {
                let start = span.start + offset;
                start + part.start..start + part.end
            }
            _ => span.clone(),
        }
    }

    /// `FILE:LINE` of a place.
    pub(crate) fn line_of(&self, span: &Span) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        format!("{}:{}", self.path.display(), before.matches('\n').count() + 1)
    }

    /// A relative path of the file is relative to the file's folder. Absolute, without `.` elements.
    pub(crate) fn resolve_path(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        let joined = folder.join(path);
        let absolute = std::path::absolute(&joined).unwrap_or(joined);
        absolute.components().filter(|part| *part != Component::CurDir).collect()
    }
}
