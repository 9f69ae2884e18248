//! The settings from outside: the shipped files load, the reference is whole, broken files are answered word by word.

mod golden;

use std::path::{Path, PathBuf};

use cofferdam::config::{self, Config, Report};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn no_environment(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Config, Report> {
    config::parse(text, Path::new("/etc/cofferdam/cofferdam.toml"), &no_environment)
}

#[test]
fn the_shipped_files_load() {
    for name in ["minimal", "demo", "complete"] {
        let path = root().join("config").join(name).with_extension("toml");
        if let Err(report) = config::load(&path) {
            panic!("{report}");
        }
    }
}
