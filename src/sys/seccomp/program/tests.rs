//! Programs are run here as the kernel would, for each number and argument.

use super::*;

const EPERM: u16 = libc::EPERM as u16;
const FAIL: Verdict = Verdict::Fail(EPERM);

/// What a program answers.
fn run(program: &[Instruction], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut held = 0;
    let mut at = 0;
    loop {
        let one = program[at];
        at += 1;
        let code = u32::from(one.code);
        let goes = |holds: bool| usize::from(if holds { one.if_true } else { one.if_false });
        if code == BPF_LD | BPF_W | BPF_ABS {
            held = match one.operand {
                NUMBER => number,
                ARCH => architecture,
                offset => arguments[((offset - ARGUMENTS) / 8) as usize] as u32,
            };
        } else if code == BPF_RET | BPF_K {
            return one.operand;
        } else if code == BPF_JMP | BPF_JA {
            at += one.operand as usize;
        } else if code == BPF_JMP | BPF_JEQ | BPF_K {
            at += goes(held == one.operand);
        } else if code == BPF_JMP | BPF_JGE | BPF_K {
            at += goes(held >= one.operand);
        } else if code == BPF_JMP | BPF_JSET | BPF_K {
            at += goes(held & one.operand != 0);
        } else {
            panic!("{one:?}");
        }
    }
}

fn answer(verdict: Verdict) -> u32 {
    end(verdict).operand
}

fn here() -> u32 {
    ARCHITECTURE.unwrap()
}

fn always(number: u32, verdict: Verdict) -> Rule {
    Rule { number, when: None, verdict }
}

#[test]
fn each_number_gets_its_verdict() {
    // Every second number: as many intervals as can be, so that jumps are long.
    let lists: [Vec<u32>; 5] =
        [vec![], vec![0], vec![0, 1, 2, 9, 449], (0..900).step_by(2).collect(), (3..400).collect()];
    for (number, list) in lists.iter().enumerate() {
        let rules: Vec<_> = list.iter().map(|number| always(*number, FAIL)).collect();
        let program = program(&rules, Verdict::Allow, Verdict::Kill);
        for call in 0..1000 {
            let expected = if list.contains(&call) { FAIL } else { Verdict::Allow };
            assert_eq!(run(&program, here(), call, [0; 6]), answer(expected), "{number}: {call}");
        }
        assert_eq!(run(&program, here(), FOREIGN + 1, [0; 6]), answer(Verdict::Kill));
        assert_eq!(run(&program, 0x4000_0003, 1, [0; 6]), answer(Verdict::Kill), "int 0x80");
    }
}

#[test]
fn arguments_are_asked_by_their_low_half() {
    let when = |when| Rule { number: 7, when: Some(when), verdict: FAIL };
    let rules = [when(Condition::Equal(1, 5)), when(Condition::AnyOf(0, 0x30)), always(8, FAIL)];
    let program = program(&rules, Verdict::Allow, Verdict::Kill);
    let rows = [
        (7, [0, 5], FAIL),
        (7, [0, 0xffff_ffff_0000_0005], FAIL),
        (7, [0x10, 0], FAIL),
        (7, [0x20, 0], FAIL),
        (7, [0x40, 6], Verdict::Allow),
        (7, [0, 0], Verdict::Allow),
        (8, [0, 0], FAIL),
        (6, [0x10, 5], Verdict::Allow),
    ];
    for (number, [first, second], expected) in rows {
        let arguments = [first, second, 0, 0, 0, 0];
        assert_eq!(run(&program, here(), number, arguments), answer(expected), "{arguments:?}");
    }
}

#[test]
fn neighbours_are_one_interval() {
    let rules: Vec<_> = (10..20).map(|number| always(number, FAIL)).collect();
    assert_eq!(intervals(&rules, Verdict::Allow, Verdict::Kill).len(), 4);
}

#[test]
fn bytes_hold_a_program() {
    let program = program(&[always(1, FAIL)], Verdict::Allow, Verdict::Kill);
    assert_eq!(decode(&encode(&program)), program);
    assert_eq!(std::mem::size_of::<Instruction>(), 8);
}
