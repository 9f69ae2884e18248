//! What is wrong with a file: every problem with its place and its mend, drawn as framed errors.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Bytes of the file's text.
pub type Span = Range<usize>;

/// One thing that is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    span: Option<Span>,
    label: Option<String>,
    also: Option<(Span, String)>,
    help: Option<String>,
}

impl Problem {
    /// `message` is wrong at `span`.
    pub fn at(span: &Span, message: impl Into<String>) -> Self {
        Problem { span: Some(span.clone()), ..Problem::anywhere(message) }
    }

    /// Wrong, but at no place of the file.
    pub fn anywhere(message: impl Into<String>) -> Self {
        Problem { message: message.into(), span: None, label: None, also: None, help: None }
    }

    /// Words beside the carets.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// A second place, shown with its own words.
    #[must_use]
    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.also = Some((span.clone(), label.into()));
        self
    }

    /// The mend.
    #[must_use]
    pub fn help(mut self, mend: impl Into<String>) -> Self {
        self.help = Some(mend.into());
        self
    }

    fn draw<'a>(&'a self, path: &'a str, text: &'a str) -> Group<'a> {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = Group::with_title(title);
        if let Some(span) = &self.span {
            group = group.element(self.snippet(span, path, text));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }

    fn snippet<'a>(
        &'a self,
        span: &Span,
        path: &'a str,
        text: &'a str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let primary = AnnotationKind::Primary.span(span.clone()).label(self.label.as_deref());
        let snippet = Snippet::source(text).path(path).annotation(primary);
        match &self.also {
            Some((span, label)) => {
                snippet.annotation(AnnotationKind::Context.span(span.clone()).label(label.as_str()))
            }
            None => snippet,
        }
    }
}

/// All that is wrong with a file, in the order of its lines. Its `Display` is the framed errors, without colour.
#[derive(Debug)]
pub struct Report {
    path: String,
    text: String,
    problems: Vec<Problem>,
}

impl Report {
    /// Sorts by place and drops repetitions.
    pub(super) fn new(path: String, text: String, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            if !kept.contains(&problem) {
                kept.push(problem);
            }
        }
        Report { path, text, problems: kept }
    }

    /// The messages alone, in order.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|problem| problem.message.as_str())
    }

    /// The framed errors with ANSI colours, for a terminal.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.draw(&Renderer::styled())
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let frames = self.problems.iter().map(|problem| {
            let frame = renderer.render(&[problem.draw(&self.path, &self.text)]);
            format!("{}\n", frame.trim_end())
        });
        frames.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(&Renderer::plain()))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(problems: Vec<Problem>) -> String {
        Report::new("x.toml".into(), "a = 1\nb = 2\n".into(), problems).to_string()
    }

    #[test]
    fn each_problem_is_framed_with_its_place_and_mend() {
        let drawn = report(vec![Problem::at(&(10..11), "two").help("write one")]);
        let expected =
            "error: two\n --> x.toml:2:5\n  |\n2 | b = 2\n  |     ^\n  |\n  = help: write one\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_once() {
        let (first, second) = (Problem::at(&(0..1), "first"), Problem::at(&(6..7), "second"));
        let drawn =
            Report::new("x".into(), "a = 1\nb = 2\n".into(), vec![second.clone(), first, second]);
        assert_eq!(drawn.messages().collect::<Vec<_>>(), ["first", "second"]);
    }

    #[test]
    fn a_problem_without_a_place_is_still_drawn() {
        assert!(report(vec![Problem::anywhere("cannot read")]).starts_with("error: cannot read"));
    }
}
