//! Programs of the system.

use std::path::PathBuf;
use std::process::Command;

/// What a program says of itself after `mark`.
pub fn version(program: &str, mark: &str) -> String {
    let Some(path) = find(program) else { return "(missing)".to_owned() };
    let output = Command::new(path).arg("-v").output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let word = said.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
    word.unwrap_or("(unknown)").to_owned()
}

/// In the places of the system's programs too, which not every `PATH` has.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
