//! Standard output: one line that changes on a terminal, plain lines elsewhere, colour only where it is wanted.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::DemoError;

/// Erases the line (ECMA-48: CR, EL 2).
const ERASE: &str = "\r\x1b[2K";

/// How things are painted: ECMA-48 SGR parameters, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// Paints nothing.
    pub const PLAIN: Self = Self(false);

    /// `text` in bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// `text` as something bad.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// `text` as something good.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn with(self, parameter: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{parameter}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Where the demo is seen.
#[derive(Debug)]
pub struct Screen {
    /// A line may be written over.
    changes: bool,
    paint: Paint,
}

impl Screen {
    /// Standard output as it is now.
    #[must_use]
    pub fn of_stdout() -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let changes = io::stdout().is_terminal() && !dumb;
        // https://no-color.org: present and not empty, whatever its value.
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { changes, paint: Paint(changes && !unwanted) }
    }

    /// How to paint on it.
    #[must_use]
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Writes `text` as it stands.
    ///
    /// # Errors
    /// [`DemoError::Output`].
    pub fn print(&self, text: &str) -> Result<(), DemoError> {
        write(text).map_err(DemoError::Output)
    }

    /// How far an act is: over the line before on a terminal, else a line once all have their answer.
    ///
    /// # Errors
    /// [`DemoError::Output`].
    pub fn progress(
        &self,
        act: &str,
        done: usize,
        all: usize,
        elapsed: Duration,
    ) -> Result<(), DemoError> {
        let line =
            format!("{act:<18} {done:>4} of {all} answered {:>7.1} s", elapsed.as_secs_f64());
        let end = if done == all { "\n" } else { "" };
        match (self.changes, done == all) {
            (true, _) => self.print(&format!("{ERASE}{line}{end}")),
            (false, true) => self.print(&format!("{line}\n")),
            (false, false) => Ok(()),
        }
    }

    /// Leaves no half line behind.
    pub fn clear_progress(&self) {
        if self.changes {
            let _nobody_looks = write(ERASE);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_only_added_where_wanted() {
        assert_eq!(Paint::PLAIN.bad("slow"), "slow");
        assert_eq!(Paint(true).bad("slow"), "\x1b[31mslow\x1b[0m");
    }
}
