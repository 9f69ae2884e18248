//! What is new and broken is refused with the path and the reason, and the old version serves on.

use std::time::{Duration, Instant};

use super::ground::{Versions, build_ids, reload, serves};
use crate::calls::ground::{Calm, of, start};
use crate::support::Cofferdam;
use crate::support::process::descriptors;

/// One slot: a pool does not grow then.
const INIT: &str = "spares = 1\nmax_concurrency = 1\ninit = \"int set_up(void)\"";

/// A reload refuses what the file is now, says why at level ERROR, and all is as before.
#[track_caller]
fn refused(cofferdam: &Cofferdam, versions: &Versions, why: &str) {
    let ids = build_ids(cofferdam, "f");
    reload(cofferdam, "failed");
    let path = versions.path().display().to_string();
    let is_told = |line: &String| {
        line.contains("\"level\":\"ERROR\"")
            && line.contains("the old one stays in service")
            && line.contains(&path)
            && line.contains(why)
            && line.contains(&ids[0])
    };
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(is_told));
    assert_eq!(of(cofferdam, "library_last_reload_successful", "f", &[]), 0.0, "{why}");
    (0..3).for_each(|_| serves(cofferdam, 1));
    assert_eq!(build_ids(cofferdam, "f"), ids);
}

#[test]
fn each_broken_version_is_refused_and_the_old_one_lives() {
    for mode in ["", "\nspawn = \"fork\"", "\nmode = \"pool\""] {
        let versions = Versions::new();
        let cofferdam = start(&[versions.function("f", &format!("{INIT}{mode}"))]);
        let there = |state| of(&cofferdam, "workers", "f", &[("state", state)]);
        eventually!(there("spare") + there("idle"), |count| *count == 1.0);
        let calm = Calm::of(&cofferdam);
        let whole = Versions::bytes(&["-DVERSION=2"]);
        let mut other = whole.clone();
        other[18] = 183;
        for (bytes, why) in [
            (&b"no library"[..], "it is not an ELF file"),
            (b"", "file too short"),
            (&whole[..whole.len() / 2], "is cut short or damaged"),
            (&whole[..whole.len() - 100], "is cut short or damaged"),
            (&other, "it is built for another machine"),
        ] {
            versions.is_renamed(bytes);
            refused(&cofferdam, &versions, why);
            versions.is_overwritten(bytes);
            refused(&cofferdam, &versions, why);
        }
        for (word, why) in [
            ("-DABORTS", "crashed with SIGABRT"),
            ("-DEXITS", "exited with status 0"),
            ("-DNAMELESS", "no symbol version"),
            ("-DOTHER", "the return: the file says"),
            ("-DUNREADY", "set_up returned 7"),
        ] {
            versions.becomes(&["-DVERSION=2", word]);
            // A call that no template's child has made yet cannot fail at its handle.
            refused(&cofferdam, &versions, why);
        }
        std::fs::remove_file(versions.path()).unwrap();
        refused(&cofferdam, &versions, "No such file or directory");
        std::fs::create_dir(versions.path()).unwrap();
        refused(&cofferdam, &versions, "Is a directory");
        std::fs::remove_dir(versions.path()).unwrap();
        calm.returns(&cofferdam);
        let copies = descriptors(cofferdam.pid());
        assert_eq!(copies.iter().filter(|link| link.contains("memfd:")).count(), 1, "{copies:?}");
        // The old one again is no new version, and all is well.
        versions.becomes(&["-DVERSION=1"]);
        cofferdam.signal(rustix::process::Signal::HUP);
        let last = || of(&cofferdam, "library_last_reload_successful", "f", &[]);
        eventually!(last(), |value| *value == 1.0);
        versions.becomes(&["-DVERSION=2"]);
        reload(&cofferdam, "ok");
        serves(&cofferdam, 2);
        assert!(cofferdam.stop().success());
    }
}

#[test]
fn a_library_is_taken_with_all_its_functions_or_not_at_all() {
    let versions = Versions::new();
    let cofferdam = start(&[
        versions.function("f", ""),
        versions.function("g", "prototype = \"int slow(int ms)\"\narguments = { ms = 1 }"),
    ]);
    // `version` is gone, `slow` would do.
    versions.becomes(&["-DVERSION=2", "-DNAMELESS"]);
    refused(&cofferdam, &versions, "function `f`");
    assert_eq!(cofferdam.get("/g").text().trim(), "1");
    let failed = of(&cofferdam, "library_reloads_total", "g", &[("result", "failed")]);
    assert_eq!(failed, 1.0);
}

#[test]
fn one_that_hangs_is_given_up_and_holds_up_nobody() {
    let versions = Versions::new();
    let cofferdam = start(&[versions.function("f", "spares = 1")]);
    versions.becomes(&["-DVERSION=2", "-DHANGS"]);
    cofferdam.signal(rustix::process::Signal::HUP);
    let failed = || of(&cofferdam, "library_reloads_total", "f", &[("result", "failed")]);
    let begun = Instant::now();
    while failed() < 1.0 {
        serves(&cofferdam, 1);
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
    let is_told = |line: &String| line.contains("did not load within 10 s");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(is_told));
}
