//! From the start to READY: what is said when it fails, and what a worker has taken from itself.

use super::*;

/// The answer to a greeting that cannot succeed, and the exit status after it.
fn failed(path: &Path, entry: Entry) -> (Phase, String, Option<i32>) {
    let mut worker = Worker::greeted(path, entry);
    let Some(FromWorker::Failed { phase, message }) = worker.receive() else {
        panic!("it did not fail")
    };
    assert_eq!(worker.receive(), None);
    (phase, message, worker.end().0.code())
}

#[test]
fn a_library_that_cannot_be_loaded_is_named_with_the_reason_and_the_mend() {
    let not_elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let cases = [
        (
            Path::new("/nowhere/lib.so").to_owned(),
            "main",
            "No such file or directory; check the path",
        ),
        (not_elf, "main", "invalid ELF header; it is not an ELF file"),
        (library("unresolved"), "main", "undefined symbol: nowhere_to_be_found; link it with"),
        (library("functions"), "nowhere", "no symbol nowhere in"),
    ];
    for (path, symbol, expected) in cases {
        let (phase, message, code) = failed(&path, int(symbol, 0));
        assert_eq!((phase, code), (Phase::Load, Some(1)));
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_library_of_another_major_is_refused() {
    let (phase, message, _) = failed(&library("old_abi"), handler("handler"));
    assert_eq!(phase, Phase::Load);
    assert!(
        message.contains("built for version 99 of cofferdam.h, this host speaks 1"),
        "{message}"
    );
}

#[test]
fn an_init_that_fails_is_a_failed_start() {
    let (phase, message, _) = failed(&library("handlers"), handler("bad_init"));
    assert_eq!((phase, message.as_str()), (Phase::Init, "bad_init_init returned 7"));
}

#[test]
fn a_constructor_that_crashes_ends_the_start_without_a_word() {
    let mut worker = Worker::greeted(&library("crash_constructor"), int_main());
    assert_eq!(worker.receive(), None);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&worker.end().0), Some(6));
}

#[test]
fn another_version_another_parent_and_nonsense_are_refused() {
    let path = library("functions");
    let told = |hello| {
        let mut worker = Worker::spawn();
        worker.send(&ToWorker::Hello(hello));
        match worker.receive() {
            Some(FromWorker::Failed { phase: Phase::Confine, message }) => message,
            other => panic!("{other:?}"),
        }
    };
    let version = told(Hello { version: 99, ..hello(&path, int_main()) });
    let mine = format!("the proxy speaks version 99, this worker {VERSION}");
    assert!(version.contains(&mine), "{version}");
    let parent = told(Hello { parent: 1, ..hello(&path, int_main()) });
    assert!(parent.contains("its parent is") && parent.contains("not 1"), "{parent}");

    let mut worker = Worker::spawn();
    worker.control.write_all(&[1, 0, 0, 0, 77]).unwrap();
    assert!(matches!(worker.receive(), Some(FromWorker::Failed { phase: Phase::Confine, .. })));
}

#[test]
fn ready_carries_what_the_start_took() {
    let (_worker, ready) = Worker::ready_with(&library("functions"), int("s32", 1));
    assert!(ready.load_ns > 0 && ready.cpu_ns > 0, "{ready:?}");
    assert!(ready.load_ns < 10_000_000_000 && ready.cpu_ns < 10_000_000_000, "{ready:?}");
}

#[test]
fn only_three_descriptors_and_the_control_socket_are_open() {
    let low = rustix::io::dup(std::io::stderr()).unwrap();
    let high = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 200).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    let mut worker = Worker::ready(&library("surroundings"), int("fds", 0));
    drop((low, high));
    assert_eq!(worker.run(&[]).returned, Value::Int(4));
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TERM HUP INT PIPE USR1; exec \"$0\"", PROGRAM]);
    let mut worker = Worker::start(&mut shell);
    let entry = int("signals", 0);
    worker.send(&ToWorker::Hello(hello(&library("surroundings"), entry)));
    assert_eq!(worker.wait_ready().0.run(&[]).returned, Value::Int(0));
}

#[test]
fn it_has_its_name() {
    let name = function("name", Return::Text, &[]);
    let mut worker = Worker::ready(&library("surroundings"), name);
    assert_eq!(worker.run(&[]).returned, bytes("cof:test"));
}

#[test]
fn it_is_confined_and_dumpable() {
    let mut worker = Worker::ready(&library("surroundings"), int("confined", 0));
    assert_eq!(worker.run(&[]).returned, Value::Int(15));
}

#[test]
fn it_is_confined_before_a_constructor_runs() {
    let mut worker = Worker::ready(&library("surroundings"), int("while_loading", 0));
    // While it loads, the loader holds the library itself open.
    let Value::Int(seen) = worker.run(&[]).returned else { panic!("no number") };
    assert_eq!(seen & 0xff, 15);
    assert!((4..=5).contains(&(seen >> 8)), "{} descriptors", seen >> 8);
}
