//! `config/complete.toml` broken line by line: never a panic, and a mistyped key is never silently accepted.

use std::fs;

fn lines() -> Vec<String> {
    let text = fs::read_to_string(super::root().join("config/complete.toml")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The key that a line begins with.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim_end();
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_key.then_some(key)
}

#[test]
fn a_line_less_is_never_a_panic() {
    let lines = lines();
    for index in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(index);
        let _ = super::parse(&fewer.join("\n")).map_err(|report| report.to_string());
    }
}

#[test]
fn a_mistyped_key_is_never_accepted() {
    let lines = lines();
    for (index, line) in lines.iter().enumerate() {
        let Some(key) = key_of(line) else { continue };
        for wrong in [format!("{key}x"), format!("x_{key}"), key[1..].to_owned() + "q"] {
            let mut mistyped = lines.clone();
            mistyped[index] = line.replacen(key, &wrong, 1);
            let report = super::parse(&mistyped.join("\n")).unwrap_err();
            let named = report.messages().any(|message| message.contains(&format!("`{wrong}`")));
            assert!(named, "line {}: {wrong}\n{report}", index + 1);
        }
    }
}

#[test]
fn a_value_of_another_type_is_never_a_panic() {
    let lines = lines();
    for (index, line) in lines.iter().enumerate() {
        let Some(key) = key_of(line) else { continue };
        for value in [
            "7",
            "-1",
            "1.5",
            "nan",
            "true",
            "\"\"",
            "\"x\"",
            "[]",
            "[[]]",
            "{}",
            "1979-05-27",
            "\"${\"",
            "9223372036854775808",
        ] {
            let mut changed = lines.clone();
            changed[index] = format!("{key} = {value}");
            let _ = super::parse(&changed.join("\n")).map_err(|report| report.to_string());
        }
    }
}

#[test]
fn a_cut_file_is_never_a_panic() {
    let text = lines().join("\n");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)).step_by(7) {
        let _ = super::parse(&text[..end]).map_err(|report| report.to_string());
    }
}
