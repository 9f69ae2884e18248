//! `cofferdam init LIB.so`: a commented configuration out of a library's symbols and debug information. What it says is
//! checked before it is written; what it cannot say is written as a comment.

mod draft;
mod spelling;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use crate::app::AppError;
use crate::app::elf::dwarf::declarations;
use crate::app::elf::{self, Elf};
use crate::config;
use crate::telemetry::log::counted;
use draft::{Draft, draft};

/// What every file begins with.
const LISTEN: &str = "listen = \"127.0.0.1:8080\"\n";

/// What a linker adds to each library.
const OF_THE_LINKER: [&str; 2] = ["_init", "_fini"];

/// Writes the configuration to standard output.
///
/// # Errors
/// A file that is no shared library for this machine.
pub fn init(library: &Path) -> Result<(), AppError> {
    let told =
        |problem: elf::ElfError| AppError::runtime(format!("{}: {problem}", library.display()));
    let found = elf::find(library).filter(|found| found.exists());
    let bytes = elf::read(found.as_deref().unwrap_or(library)).map_err(told)?;
    let text = configuration(&Elf::parse(&bytes).map_err(told)?, library);
    io::stdout().lock().write_all(text.as_bytes()).map_err(AppError::runtime)
}

/// The whole file.
fn configuration(elf: &Elf<'_>, library: &Path) -> String {
    let names = elf.functions();
    let declared = declarations(elf, |name| names.iter().any(|known| known == name));
    let path = quoted(&path_of(library));
    let mut text = head(library);
    let declared = declared.unwrap_or_else(|problem| {
        let _infallible = writeln!(text, "\n# The functions are commented out: {problem}.");
        Default::default()
    });
    let mut labels = Labels::default();
    let is_of_cxx = |name: &&String| name.starts_with("_Z");
    let plain = names.iter().filter(|name| !is_of_cxx(name));
    for name in plain.filter(|name| !OF_THE_LINKER.contains(&name.as_str())) {
        if belongs_to_a_handler(name, &names) {
            continue;
        }
        let label = labels.of(name);
        let drafted = draft(name, declared.get(name), &declared);
        text += &section(&label, &path, drafted);
    }
    let of_cxx = names.iter().filter(is_of_cxx).count();
    if of_cxx > 0 {
        let _infallible = writeln!(
            text,
            "\n# Left out: {} of C++. What is to be called is declared extern \"C\".",
            counted(of_cxx, "function")
        );
    }
    text
}

fn head(library: &Path) -> String {
    let shown = library.display().to_string().replace(char::is_control, "?");
    format!(
        "# Written by `cofferdam init {shown}`. Where arguments come from, how much room an output has and what a\n\
         # return means are guesses: look through them, and remove what no client is to call. `cofferdam check FILE`\n\
         # holds this against the library.\n\n\
         {LISTEN}# upstream = \"http://127.0.0.1:5000\"    # the app that everything else goes to\n"
    )
}

/// A name alone would be looked up by the loader: one that is a file here is meant as that file.
fn path_of(library: &Path) -> String {
    let text = library.display().to_string();
    if !text.contains('/') && library.is_file() { format!("./{text}") } else { text }
}

/// As a string of TOML; a dollar sign is not a variable's.
fn quoted(text: &str) -> String {
    toml::Value::from(text.replace('$', "$$")).to_string()
}

/// `NAME_init`, `NAME_exit` and `NAME_traits` are the host's to call.
fn belongs_to_a_handler(name: &str, names: &[String]) -> bool {
    let suffixes = ["_init", "_exit", "_traits"];
    let handler = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    handler.is_some_and(|handler| names.iter().any(|name| name == handler))
}

/// One function with its route; as a comment where it cannot be called as it stands.
fn section(label: &str, library: &str, drafted: Draft) -> String {
    let Draft { keys, is_posted, mut problem, hints } = drafted;
    let methods = if is_posted { "methods = [\"POST\"]\n" } else { "" };
    let hints: String = hints.iter().map(|hint| format!("# {hint}\n")).collect();
    let keys: String = keys.iter().map(|(key, value)| format!("{key:9} = {value}\n")).collect();
    let text = format!(
        "[functions.{label}]\nlibrary   = {library}\n{keys}{hints}\n\
         [[routes]]\npath = \"/{label}\"\n{methods}call = \"{label}\"\n"
    );
    if problem.is_none() {
        problem = refusal(&text);
    }
    match problem {
        None => format!("\n{text}"),
        Some(problem) => {
            let commented: String =
                text.lines().map(|line| format!("#{}{line}\n", gap(line))).collect();
            format!("\n# {label}: {problem}\n{commented}")
        }
    }
}

fn gap(line: &str) -> &'static str {
    if line.is_empty() { "" } else { " " }
}

/// Why a section would not do.
fn refusal(text: &str) -> Option<String> {
    let nothing = |_: &str| None;
    let environment: config::Environment<'_> = &nothing;
    let parsed = config::parse(&format!("{LISTEN}\n{text}"), Path::new("/init.toml"), environment);
    let report = parsed.err()?.to_string();
    let first = report.lines().next().unwrap_or_default();
    Some(first.trim_start_matches("error: ").to_owned())
}

/// Names of functions and routes, each once.
#[derive(Default)]
struct Labels(Vec<String>);

impl Labels {
    /// `[a-z0-9][a-z0-9_-]*`, at most 60 bytes and a number.
    fn of(&mut self, symbol: &str) -> String {
        let lower = symbol.to_ascii_lowercase();
        let kept: String =
            lower.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
        let base = match kept.trim_start_matches('_') {
            "" => "function",
            base => base,
        };
        let numbered = (2..).map(|number: usize| format!("{base}-{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        let name = names.find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.push(name.clone());
        name
    }
}
