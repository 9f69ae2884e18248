//! The program as its operator has it: listeners, health, metrics, the end, and a log that nobody reads.

mod admin;
mod drain;
mod listeners;
mod log;
mod scrape;

/// Answers everything at once.
const PONG: &str = "[[routes]]\nprefix = \"/\"\nrespond = { body = \"pong\\n\" }\n";
