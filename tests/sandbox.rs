//! What a hostile library gets away with under each level: it tries, from inside, and says what stopped it.

mod basic;
mod crowd;
mod custom;
mod strict;

use crate::calls::ground::function;
use crate::support::Cofferdam;

const EPERM: i64 = 1;
const EACCES: i64 = 13;
const ENOSYS: i64 = 38;
const GOT_AWAY: i64 = 0;

/// A function of the hostile library, and its route `/NAME`; `keys` are of the function.
fn hostile(name: &str, keys: &str) -> String {
    function(name, "hostile", &format!("prototype = \"int {name}(void)\"\n{keys}"), "")
}

/// One that takes its only parameter, of this declaration, from the query.
fn hostile_with(name: &str, parameter: &str, keys: &str) -> String {
    let parameter_name =
        parameter.trim_start_matches(|c| c != ' ' && c != '*').trim_start_matches([' ', '*']);
    let parameter_name = parameter_name.rsplit([' ', '*']).next().unwrap();
    let keys = format!(
        "prototype = \"int {name}({parameter})\"\narguments = {{ {parameter_name} = {{ query = \"v\" }} }}\n{keys}"
    );
    function(name, "hostile", &keys, "")
}

/// What the function answered.
#[track_caller]
fn tries(cofferdam: &Cofferdam, path: &str) -> i64 {
    let answer = cofferdam.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text().trim().parse().unwrap()
}

/// Whether these tests run as root, as CI does: some attacks need it.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
