//! From a path to a [`Config`], or to everything that is wrong with the file.

use std::io;
use std::path::Path;

use toml::de::DeTable;

use super::report::{Problem, Report};
use super::source::{Environment, Source};
use super::{Config, raw, resolve};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// Reads the file, with the variables of this process's environment.
///
/// # Errors
/// All that is wrong with it at once: unreadable, no TOML, unknown keys, wrong values, things that do not fit together.
pub fn load(path: &Path) -> Result<Config, Report> {
    let text = read(path).map_err(|unreadable| report(path, &unreadable))?;
    parse(&text, path, &|name| std::env::var(name).ok())
}

/// Reads a text as if it stood in the file `path`, which is only named and where relative paths start.
///
/// # Errors
/// All that is wrong with it at once.
pub fn parse(text: &str, path: &Path, environment: Environment<'_>) -> Result<Config, Report> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source { path, text, environment, problems: Vec::new() };
    let config = tree(&mut source);
    match config {
        Some(config) if source.problems.is_empty() => Ok(config),
        _ => Err(Report::new(path.display().to_string(), text.into(), source.problems)),
    }
}

fn tree(source: &mut Source<'_>) -> Option<Config> {
    let (table, errors) = DeTable::parse_recoverable(source.text);
    if errors.is_empty() {
        let file = raw::read(table.get_ref(), source);
        return resolve::resolve(&file, source);
    }
    for error in errors {
        source.wrong(syntax(&error, source.text.len()));
    }
    None
}

/// An error of the TOML itself.
fn syntax(error: &toml::de::Error, end: usize) -> Problem {
    let span = error.span().unwrap_or(end..end);
    let problem = Problem::at(&span, error.message());
    match error.message() {
        "duplicate key" => problem.help("write each key and each [table] once"),
        message if message.starts_with("string values must be quoted") => {
            problem.help("write strings, durations and sizes in quotes: key = \"value\"")
        }
        _ => problem.help("this is no TOML: see https://toml.io/en/v1.0.0"),
    }
}

/// Why a file is no text that could be parsed.
struct Unreadable {
    why: String,
    mend: &'static str,
}

fn read(path: &Path) -> Result<String, Unreadable> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_SIZE {
        let why = format!("{size} bytes are more than the {MAX_SIZE} that are read");
        return Err(Unreadable { why, mend: "is it a configuration?" });
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes)
        .map_err(|error| Unreadable { why: error.to_string(), mend: "save it as UTF-8" })
}

fn unreadable(error: &io::Error) -> Unreadable {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => "check the path: it starts at the folder that you are in",
        io::ErrorKind::IsADirectory => "name the file in it",
        io::ErrorKind::PermissionDenied => "let the user who runs this read it and its folders",
        _ => "check the path",
    };
    Unreadable { why: error.to_string(), mend }
}

fn report(path: &Path, unreadable: &Unreadable) -> Report {
    let message = format!("cannot read {}: {}", path.display(), unreadable.why);
    let problem = Problem::anywhere(message).help(unreadable.mend);
    Report::new(path.display().to_string(), String::new(), vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let report = load(Path::new("/nonexistent/x.toml")).unwrap_err().to_string();
        assert!(report.starts_with("error: cannot read /nonexistent/x.toml: No such file"));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let text = "\u{feff}listen = \":8080\"\n";
        assert!(parse(text, Path::new("x.toml"), &|_| None).is_ok());
    }
}
