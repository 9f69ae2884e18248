//! The program as a file: what it needs, how big it is, and what it says to who starts it by hand.

use super::*;

#[test]
fn started_by_hand_it_says_what_it_is() {
    let output = Command::new(PROGRAM).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("runs one call for `cofferdam`"), "{said}");
}

#[test]
fn it_needs_no_library_but_libc() {
    let Ok(output) = Command::new("readelf").args(["-d", PROGRAM]).output() else {
        println!("skipped: no readelf (Debian: binutils)");
        return;
    };
    let dynamic = String::from_utf8(output.stdout).unwrap();
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        assert!(line.contains("[libc.so.6]") || line.contains("[ld-linux"), "{line}");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a debug build is not what is shipped")]
fn it_is_small() {
    let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripped-worker");
    let Ok(status) = Command::new("strip").arg("-o").args([&stripped, Path::new(PROGRAM)]).status()
    else {
        println!("skipped: no strip (Debian: binutils)");
        return;
    };
    assert!(status.success());
    let size = stripped.metadata().unwrap().len();
    assert!(size < 1 << 20, "{size} bytes without debug information");
}
