//! The settings from outside: the shipped files load, the reference is whole, broken files are answered word by word.

#![allow(clippy::unwrap_used)]

mod golden;
mod mutation;
mod reference;
mod values;

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

fn complete() -> Config {
    let path = root().join("config/complete.toml");
    config::load(&path).unwrap_or_else(|report| panic!("{report}"))
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

#[test]
fn what_the_readme_shows_loads() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).collect();
    assert!(blocks.len() >= 2, "{readme}");
    for block in blocks {
        let block = block.split("```").next().unwrap();
        if let Err(report) = parse(block) {
            panic!("{report}");
        }
    }
}

#[test]
fn the_demo_is_the_experiment() {
    let config = config::load(&root().join("config/demo.toml")).unwrap();
    let names: Vec<_> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["upstream", "sleep", "fast", "pong"]);
    assert_eq!(config.functions[0].max_concurrency, 1000);
    assert_eq!(config.functions[0].spares, 4);
    assert_eq!(config.upstreams.len(), 1);
}
