//! The rules of the house, as tests. Each is a pure function from files to findings; `violations` shows that each can fail.

mod floors;
mod lexer;
mod papers;
mod sizes;
mod source;
mod style;
mod violations;

use source::{File, Finding, tree};

/// A rule: what it finds wrong in these files.
type Rule = fn(&[File]) -> Vec<Finding>;

#[track_caller]
fn holds(rule: Rule) {
    let files = tree();
    assert!(files.len() > 20, "the tree was not found: {} files", files.len());
    let findings = rule(&files);
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} finding(s):\n{}", list.len(), list.join("\n"));
}

#[test]
fn a_module_uses_only_floors_below_its_own() {
    holds(floors::floors);
}

#[test]
fn the_worker_stays_small() {
    holds(floors::worker_crates);
}

#[test]
fn every_module_has_its_floor() {
    holds(floors::table_is_whole);
}

#[test]
fn files_are_short() {
    holds(sizes::files);
}

#[test]
fn most_files_are_much_shorter() {
    holds(sizes::files_p90);
}

#[test]
fn functions_are_short() {
    holds(sizes::functions);
}

#[test]
fn most_functions_are_much_shorter() {
    holds(sizes::functions_p90);
}

#[test]
fn every_module_says_what_it_is_for() {
    holds(style::module_docs);
}

#[test]
fn no_file_is_called_mod() {
    holds(style::no_mod_rs);
}

#[test]
fn comments_are_no_banners() {
    holds(style::no_banners);
}

#[test]
fn only_tests_unwrap() {
    holds(style::no_unwrap);
}

#[test]
fn nothing_is_left_to_do() {
    holds(style::nothing_to_do);
}

#[test]
fn errors_have_types() {
    holds(style::no_box_error);
}

#[test]
fn unsafe_code_has_its_floors() {
    holds(style::unsafe_floors);
}

#[test]
fn metrics_and_their_page_agree() {
    holds(papers::metrics);
}

#[test]
fn papers_name_metrics_that_exist() {
    holds(papers::metric_mentions);
}

#[test]
fn papers_name_files_that_exist() {
    holds(papers::config_mentions);
}

#[test]
fn the_readme_has_its_two_commands() {
    holds(papers::readme_commands);
}
