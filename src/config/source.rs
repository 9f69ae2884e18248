//! A file while it is read: its text, where it lies, the environment it may name, and what was found wrong so far.

use std::path::{Component, Path, PathBuf};

use super::report::{Problem, Span};

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is wrong with a string, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    message: String,
    mend: String,
    part: Option<Span>,
}

impl Complaint {
    /// What is wrong, and how to mend it.
    pub(crate) fn new(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Complaint { message: message.into(), mend: mend.into(), part: None }
    }

    /// Only this part of the string, in bytes.
    pub(crate) fn part(self, part: &Span) -> Self {
        Complaint { part: Some(part.clone()), ..self }
    }
}

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

    /// Notes what is wrong with a string that stands at `span`.
    pub(crate) fn complain(&mut self, span: &Span, string: &str, complaint: Complaint) {
        let span = match &complaint.part {
            Some(part) => self.inside(span, string, part),
            None => span.clone(),
        };
        self.wrong(Problem::at(&span, complaint.message).help(complaint.mend));
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
