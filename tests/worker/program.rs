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
fn it_is_small() {
    let shipped = Path::new(PROGRAM).with_file_name("../release/cofferdam-worker");
    let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripped-worker");
    if !shipped.exists() {
        println!("skipped: no release build (cargo build --release)");
        return;
    }
    let Ok(status) = Command::new("strip").arg("-o").args([&stripped, &shipped]).status() else {
        println!("skipped: no strip (Debian: binutils)");
        return;
    };
    assert!(status.success());
    let size = stripped.metadata().unwrap().len();
    assert!(size < 1 << 20, "{size} bytes without debug information");
}
