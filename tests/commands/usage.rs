//! The command line itself, exit codes, colour, and files that cannot be read.

use std::os::unix::fs::PermissionsExt;

use crate::support::program::{File, cofferdam};

const GOOD: &str = "listen = \"127.0.0.1:0\"\n[admin]\naddress = \"off\"\n";
const BAD: &str = "listn = \"127.0.0.1:0\"\n";
const COMMANDS: [&str; 5] = ["run", "check", "init", "routes", "call"];

#[test]
fn help_and_version_go_to_standard_output() {
    let help = cofferdam(["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in COMMANDS.iter().chain(&["--worker", "reverse-proxy sidecar"]) {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    for command in COMMANDS {
        let help = cofferdam([command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Usage: cofferdam"), "{}", help.stdout);
    }
    let version = cofferdam(["--version"]);
    assert_eq!(version.stdout, format!("cofferdam {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_2() {
    let rows: [&[&str]; 6] = [
        &[],
        &["--nonsense"],
        &["nonsense"],
        &["run"],
        &["run", "--nonsense", "x"],
        &["call", "x"],
    ];
    for words in rows {
        let ended = cofferdam(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{words:?} {ended:?}");
        assert!(ended.stderr.contains("Usage: cofferdam"), "{words:?} {ended:?}");
    }
}

#[test]
fn a_wrong_file_is_78_for_every_command() {
    let file = File::of(BAD);
    for command in COMMANDS.into_iter().filter(|command| *command != "init") {
        let words: &[&str] = if command == "call" { &["any"] } else { &[] };
        let ended = file.run(command, words);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{command}: {ended:?}");
        for part in ["unknown key `listn`", "cofferdam.toml:1:1", "did you mean `listen`?"] {
            assert!(ended.stderr.contains(part), "{command} {part}: {ended:?}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_78_and_named() {
    let file = File::of(GOOD).with("binary.toml", b"\xff\xfe");
    let folder = file.beside("");
    let rows = [
        (file.beside("missing.toml"), "No such file", "check the path"),
        (folder, "Is a directory", "name the file in it"),
        (file.beside("binary.toml"), "utf-8", "save it as UTF-8"),
    ];
    for (path, why, mend) in rows {
        for command in ["run", "check", "routes"] {
            let ended = cofferdam([command, &path]);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
            assert!(ended.stderr.starts_with("error: cannot read "), "{ended:?}");
            for part in [&path, why, mend] {
                assert!(ended.stderr.contains(part), "{part}: {ended:?}");
            }
        }
    }
}

#[test]
fn a_file_that_this_user_may_not_read_is_78() {
    if rustix::process::geteuid().is_root() {
        // Nothing is unreadable for root.
        return;
    }
    let file = File::of(GOOD);
    let mode = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(file.path(), mode).unwrap();
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
}

#[test]
fn colour_is_for_terminals_only() {
    let piped = File::of(BAD).run("check", &[]);
    assert!(!piped.stderr.contains('\x1b'), "{piped:?}");
    for (variable, in_colour) in [(None, true), (Some("1"), false)] {
        let told = on_a_terminal(&File::of(BAD), variable);
        assert!(told.contains("unknown key"), "{told:?}");
        assert_eq!(told.contains('\x1b'), in_colour, "NO_COLOR={variable:?}: {told:?}");
    }
}

/// What `check` writes to a terminal as its standard error.
fn on_a_terminal(file: &File, no_color: Option<&str>) -> String {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let open = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(["check", &file.path()]).stdin(Stdio::null()).stderr(open);
    match no_color {
        Some(value) => command.env("NO_COLOR", value),
        None => command.env_remove("NO_COLOR"),
    };
    assert_eq!(command.status().unwrap().code(), Some(78));
    drop(command);
    let mut told = Vec::new();
    // The last writer is gone: what is left is read, then EIO.
    let _end = std::fs::File::from(terminal).read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}

#[test]
fn a_worker_program_that_is_not_there_is_named_with_its_mend() {
    let text = format!("{GOOD}[[routes]]\npath = \"/x\"\ncall = \"./lib.so:main\"\n");
    let file = File::of(&text);
    let ended = cofferdam(["--worker", "/nowhere/worker", "check", &file.path()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/nowhere/worker"), "{ended:?}");
}
