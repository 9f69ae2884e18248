//! What is new and good is taken: by new workers, with one version in each, and nobody else loses a spare.

use rustix::process::Signal;

use super::ground::{Versions, build_ids, reload, serves};
use crate::calls::ground::{Calm, ask, function_of, json, of, start};
use crate::calls::swapped::Swapped;
use crate::faults::ground::MODES;
use crate::support::clib::variant;
use crate::support::process::{Process, descriptors};
use crate::support::program::File;
use crate::support::{Cofferdam, http};

const SLOW: &str = "prototype = \"int slow(int ms)\"\narguments = { ms = 700 }";

fn of_function(cofferdam: &Cofferdam, name: &str) -> Vec<Process> {
    let mut all = cofferdam.workers();
    all.retain(|worker| worker.name == format!("cof:{name}"));
    all
}

#[test]
fn new_workers_have_the_new_version_in_each_mode() {
    for (mode, keys) in MODES {
        let versions = Versions::new();
        let keys = format!("{}\nspares = 2", keys.replace("\nspares = 1", ""));
        let cofferdam = start(&[versions.function("f", &keys)]);
        eventually!(of_function(&cofferdam, "f"), |workers| workers.len() >= 2);
        let old = build_ids(&cofferdam, "f");
        versions.becomes(&["-DVERSION=2"]);
        // Also workers that start now have the old one.
        (0..5).for_each(|_| serves(&cofferdam, 1));
        let before = of_function(&cofferdam, "f");
        reload(&cofferdam, "ok");
        (0..5).for_each(|_| serves(&cofferdam, 2));
        eventually!(before.iter().all(|worker| !worker.is_alive()));
        let new = build_ids(&cofferdam, "f");
        assert!(old.len() == 1 && new.len() == 1 && old != new, "{mode}: {old:?} {new:?}");
        let told = cofferdam.stderr();
        let line = told.iter().find(|line| line.contains("the new library is in service"));
        let line = line.unwrap_or_else(|| panic!("{mode}: {told:?}"));
        assert!(line.contains(&old[0]) && line.contains(&new[0]), "{mode}: {line}");
        assert_eq!(of(&cofferdam, "library_last_reload_successful", "f", &[]), 1.0);
        // What warms the place of the old one is no lookup of a call.
        assert_eq!(of(&cofferdam, "worker_start_failures_total", "f", &[]), 0.0);
        assert!(cofferdam.stop().success(), "{mode}");
    }
}

#[test]
fn detached_calls_have_the_new_version_too() {
    let versions = Versions::new();
    // A failure is told with the value.
    let cofferdam =
        start(&[versions.function("f", "mode = \"detached\"\nspares = 1\nsuccess = \"== 0\"")]);
    let last = |told: &str| {
        assert_eq!(cofferdam.get("/f").status, 202);
        let told = format!("the function returned {told}");
        let ended = || json(&http::get(cofferdam.admin(), "/api/v1/calls"))["calls"][0].clone();
        eventually!(ended(), |call| call["detail"] == told);
    };
    last("1");
    versions.becomes(&["-DVERSION=2"]);
    last("1");
    reload(&cofferdam, "ok");
    last("2");
    assert!(cofferdam.stop().success());
}

#[test]
fn a_call_that_runs_ends_on_the_version_that_it_began_with() {
    for (mode, keys) in MODES {
        let versions = Versions::new();
        let cofferdam = start(&[versions.function("f", &format!("{keys}\n{SLOW}"))]);
        let asking = ask(&cofferdam, "/f");
        eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
        let before = of_function(&cofferdam, "f");
        versions.becomes(&["-DVERSION=2"]);
        reload(&cofferdam, "ok");
        assert_eq!(asking.join().unwrap().text().trim(), "1", "{mode}");
        assert_eq!(cofferdam.get("/f").text().trim(), "2", "{mode}");
        eventually!(before.iter().all(|worker| !worker.is_alive()));
        assert!(cofferdam.stop().success(), "{mode}");
    }
}

#[test]
fn a_file_that_is_written_or_cut_in_place_harms_nobody() {
    for (mode, keys) in MODES {
        let versions = Versions::new();
        let keys = format!("{}\nspares = 1\n{SLOW}", keys.replace("\nspares = 1", ""));
        let cofferdam = start(&[versions.function("f", &keys)]);
        let version = |expected: &str| {
            let answer = cofferdam.get("/f");
            assert_eq!((answer.status, answer.text().trim()), (200, expected), "{mode}");
        };
        let asking = ask(&cofferdam, "/f");
        eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
        versions.is_overwritten(b"");
        assert_eq!(asking.join().unwrap().text().trim(), "1", "{mode}");
        (0..2).for_each(|_| version("1"));
        versions.is_overwritten(&Versions::bytes(&["-DVERSION=2"]));
        (0..2).for_each(|_| version("1"));
        reload(&cofferdam, "ok");
        version("2");
        assert!(cofferdam.stop().success(), "{mode}");
    }
}

#[test]
fn functions_whose_file_is_unchanged_keep_their_spares() {
    let (changing, staying) = (Versions::new(), Versions::new());
    let spares = "spares = 2";
    let forked = "spares = 2\nspawn = \"fork\"";
    let pooled = "spares = 2\nmode = \"pool\"";
    let cofferdam = start(&[
        changing.function("f", spares),
        staying.function("g", spares),
        staying.function("h", forked),
        staying.function("i", pooled),
    ]);
    let stay = || ["g", "h", "i"].map(|name| of_function(&cofferdam, name));
    eventually!(stay().map(|workers| workers.len()), |counts| *counts == [2, 3, 2]);
    let before = stay();
    changing.becomes(&["-DVERSION=2"]);
    // The same bytes in another file are no new version.
    staying.becomes(&["-DVERSION=1"]);
    reload(&cofferdam, "ok");
    serves(&cofferdam, 2);
    assert_eq!(stay(), before);
    assert_eq!(of(&cofferdam, "library_reloads_total", "g", &[]), 0.0);
}

#[test]
fn what_it_loads_from_beside_it_is_a_part_of_its_version() {
    let library = Swapped::new();
    let cofferdam = start(&[library.function("f", "spares = 1", "")]);
    assert_eq!(cofferdam.get("/f").status, 200);
    let before = of_function(&cofferdam, "f");
    library.becomes("exit3");
    reload(&cofferdam, "ok");
    assert_eq!(cofferdam.get("/f").reason(), "exit");
    eventually!(before.iter().all(|worker| !worker.is_alive()));
}

#[test]
fn a_library_knows_its_place_and_sees_the_search_path_that_was_given() {
    let versions = Versions::new();
    let text = |name: &str| format!("prototype = \"const char *{name}(void)\"");
    let beside = Swapped::new();
    let inner = variant("version", &["-DVERSION=1"]);
    std::fs::copy(inner, beside.inner()).unwrap();
    let functions = [
        versions.function("f", &text("place")),
        beside.function("g", &text("search_path"), ""),
        beside.function("h", &text("place"), ""),
    ];
    let builder = Cofferdam::builder().environment("LD_LIBRARY_PATH", "/nowhere");
    let cofferdam = builder.config(&functions.concat()).start();
    let told = |path: &str| cofferdam.get(path).text().trim().to_owned();
    assert_eq!(told("/f"), versions.path().display().to_string());
    assert_eq!(told("/g"), "/nowhere");
    assert_eq!(told("/h"), beside.inner().display().to_string());
}

#[test]
fn in_the_proxy_itself_a_library_stays_and_that_is_told() {
    let versions = Versions::new();
    let traits = "traits = [\"reusable\", \"threadsafe\"]";
    let cofferdam = start(&[
        versions.function("f", &format!("mode = \"thread\"\n{traits}")),
        versions.function("g", &format!("mode = \"inline\"\n{traits}")),
    ]);
    let ids = build_ids(&cofferdam, "f");
    // By a rename: what is loaded here is the file itself.
    versions.becomes(&["-DVERSION=2"]);
    cofferdam.signal(Signal::HUP);
    for name in ["f", "g"] {
        let names = format!("\"function\":\"{name}\"");
        let is_told = |line: &String| {
            line.contains("WARN") && line.contains(&names) && line.contains("SIGUSR2")
        };
        eventually!(cofferdam.stderr(), |lines| lines.iter().any(is_told));
    }
    serves(&cofferdam, 1);
    assert_eq!(build_ids(&cofferdam, "f"), ids);
}

#[test]
fn a_version_that_is_gone_leaves_no_descriptor_and_no_process() {
    let versions = Versions::new();
    let cofferdam = start(&[versions.function("f", "spares = 1")]);
    let there = || of(&cofferdam, "workers", "f", &[("state", "spare")]);
    eventually!(there(), |count| *count == 1.0);
    let calm = Calm::of(&cofferdam);
    for version in [2, 3, 4, 1] {
        versions.becomes(&[&format!("-DVERSION={version}")]);
        reload(&cofferdam, "ok");
        serves(&cofferdam, version);
    }
    calm.returns(&cofferdam);
    let copies = descriptors(cofferdam.pid());
    assert_eq!(copies.iter().filter(|link| link.contains("memfd:")).count(), 1, "{copies:?}");
}

#[test]
fn check_and_the_start_tell_the_build_id() {
    let path = variant("version", &["-DVERSION=1", "-Wl,--build-id=0xfeedbeef"]);
    let plain = variant("version", &["-DVERSION=1", "-Wl,--build-id=none"]);
    let functions = [("f", &path), ("g", &plain)]
        .map(|(name, path)| function_of(name, path, "prototype = \"int version(void)\"", ""));
    let file = File::of(&format!("listen = \"127.0.0.1:0\"\n{}", functions.concat()));
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = format!("  library {}: build id feedbeef", path.display());
    assert!(ended.stdout.lines().any(|line| line == expected), "{ended:?}");
    let cofferdam = start(&functions);
    assert_eq!(build_ids(&cofferdam, "f"), ["feedbeef"]);
    let [plain] = &build_ids(&cofferdam, "g")[..] else { panic!("one version") };
    assert!(plain.starts_with("sha256:") && plain.len() == 47, "{plain}");
    let is_told =
        |line: &String| line.contains("feedbeef") && line.contains("the library is loaded");
    assert!(cofferdam.stderr().iter().any(is_told));
}
