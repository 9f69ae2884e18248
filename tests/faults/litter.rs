//! What a call leaves behind is gone with it, and what it takes too much of is its own.

use super::ground::{AT_ONCE, MODES, ONE_SHOT, Stage, fault, fine, in_each_mode, in_each_of};
use crate::support::process::Process;

#[test]
fn children_and_commands_go_with_the_call_and_do_not_delay_it() {
    let names = ["child", "command"];
    in_each_of(
        &ONE_SHOT,
        |keys| names.map(|name| fault("litter", name, keys)).to_vec(),
        |stage| {
            for name in names {
                let answer = stage.call(name, fine(""));
                let left: i64 = answer.text().trim().parse().unwrap();
                assert!(left > 1, "{name}: {left}");
                eventually!(Process::of(u32::try_from(left).unwrap()), Option::is_none);
            }
        },
    );
}

/// What a call of a pool leaves in its group goes with its worker.
#[test]
fn a_child_of_a_pools_call_delays_neither_the_answer_nor_the_end() {
    for (mode, keys) in &MODES[2..] {
        let stage = Stage::new(mode, "", &[fault("litter", "child", keys)]);
        let (answer, _) = stage.beside_a_neighbour("/child");
        assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
        assert!(answer.elapsed < AT_ONCE, "{mode}: {:?}", answer.elapsed);
        assert!(stage.cofferdam.stop().success(), "{mode}");
        let left = answer.text().trim().parse().unwrap();
        eventually!(Process::of(left), Option::is_none);
    }
}

#[test]
fn descriptors_that_are_not_closed_end_with_the_limit() {
    in_each_mode(
        |keys| vec![fault("litter", "descriptors", keys)],
        |stage| {
            let taken = stage.call("descriptors", fine("")).text();
            let taken: usize = taken.trim().parse().unwrap();
            assert!((900..1024).contains(&taken), "{taken}");
        },
    );
}

/// Without a control group the limit is of address space, and the library's own failure is the answer.
#[test]
fn memory_ends_with_the_limit() {
    let sandbox = "[sandboxes.small]\nlimits = { address_space = \"256MiB\" }\n";
    for (mode, keys) in super::ground::MODES {
        let functions = [fault("litter", "hog", &format!("{keys}\nsandbox = \"small\""))];
        let stage = Stage::new(mode, sandbox, &functions);
        let taken: u64 = stage.call("hog", fine("")).text().trim().parse().unwrap();
        assert!((16..256).contains(&taken), "{taken} MiB");
        stage.ends_well();
    }
}
