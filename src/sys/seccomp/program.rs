//! Rules about system calls as a program of the kernel's packet filter: a tree over intervals of numbers, since the kernel
//! runs a program once for each system call that exists when it takes it, and that is paid for at each start.

use libc::{
    BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W,
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS,
};

/// What `seccomp_data.arch` holds here (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const ARCHITECTURE: Option<u32> = None;

/// Numbers from here on belong to the x32 calling convention, which no rule knows.
const FOREIGN: u32 = 0x4000_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;
/// The longest jump of a conditional instruction.
const NEAR: usize = 255;

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Allow,
    /// It fails with this error number.
    Fail(u16),
    /// The process dies by SIGSYS.
    Kill,
}

/// When a rule holds, by the low half of one argument: the kernel reads no more of any argument that rules ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The argument in this place (from 0) is this.
    Equal(u8, u32),
    /// It has one of these bits.
    AnyOf(u8, u32),
}

/// What becomes of one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: u32,
    /// `None`: whatever its arguments.
    pub when: Option<Condition>,
    /// Then.
    pub verdict: Verdict,
}

/// One instruction: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

fn plain(code: u32, operand: u32) -> Instruction {
    Instruction { code: code as u16, if_true: 0, if_false: 0, operand }
}

fn branch(test: u32, operand: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code: (BPF_JMP | test | BPF_K) as u16, if_true, if_false, operand }
}

fn load(offset: u32) -> Instruction {
    plain(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn end(verdict: Verdict) -> Instruction {
    plain(
        BPF_RET | BPF_K,
        match verdict {
            Verdict::Allow => SECCOMP_RET_ALLOW,
            Verdict::Fail(number) => SECCOMP_RET_ERRNO | u32::from(number),
            Verdict::Kill => SECCOMP_RET_KILL_PROCESS,
        },
    )
}

/// What becomes of the numbers from one on.
struct Interval<'r> {
    from: u32,
    rules: Vec<&'r Rule>,
}

/// The program of `rules`. What none of them is about gets `otherwise`, calls by a foreign convention get `foreign`.
/// A number's first rule that holds counts.
#[must_use]
pub fn program(rules: &[Rule], otherwise: Verdict, foreign: Verdict) -> Vec<Instruction> {
    let Some(architecture) = ARCHITECTURE else { return vec![end(otherwise)] };
    let mut code =
        vec![load(ARCH), branch(BPF_JEQ, architecture, 1, 0), end(foreign), load(NUMBER)];
    tree(&intervals(rules, otherwise, foreign), &mut code);
    code
}

/// Neighbours without conditions and of one verdict are one.
fn intervals(rules: &[Rule], otherwise: Verdict, foreign: Verdict) -> Vec<(u32, Vec<Instruction>)> {
    let mut numbers: Vec<u32> = rules.iter().map(|rule| rule.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut found: Vec<Interval<'_>> = vec![Interval { from: 0, rules: Vec::new() }];
    for number in numbers {
        let rules = rules.iter().filter(|rule| rule.number == number).collect();
        found.push(Interval { from: number, rules });
        found.push(Interval { from: number + 1, rules: Vec::new() });
    }
    let mut leaves: Vec<(u32, Vec<Instruction>)> = Vec::new();
    for interval in found {
        let leaf = leaf(&interval.rules, otherwise);
        match leaves.last_mut() {
            Some(last) if last.0 == interval.from => last.1 = leaf,
            Some(last) if last.1 == leaf => {}
            _ => leaves.push((interval.from, leaf)),
        }
    }
    leaves.dedup_by(|later, earlier| later.1 == earlier.1);
    leaves.push((FOREIGN, vec![end(foreign)]));
    leaves
}

fn leaf(rules: &[&Rule], otherwise: Verdict) -> Vec<Instruction> {
    let mut code = Vec::new();
    let mut loaded = None;
    for rule in rules {
        let (place, test, operand) = match rule.when {
            None => {
                code.push(end(rule.verdict));
                return code;
            }
            Some(Condition::Equal(place, value)) => (place, BPF_JEQ, value),
            Some(Condition::AnyOf(place, bits)) => (place, BPF_JSET, bits),
        };
        if loaded.replace(place) != Some(place) {
            code.push(load(low_half(place)));
        }
        code.push(branch(test, operand, 0, 1));
        code.push(end(rule.verdict));
    }
    code.push(end(otherwise));
    code
}

/// Where the low half of an argument stands; both machines are little-endian.
fn low_half(place: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(place)
}

fn tree(leaves: &[(u32, Vec<Instruction>)], code: &mut Vec<Instruction>) {
    let [(_, only)] = leaves else {
        let (low, high) = leaves.split_at(leaves.len() / 2);
        let Some((from, _)) = high.first() else { return };
        let mut lower = Vec::new();
        tree(low, &mut lower);
        if let Some(near) = u8::try_from(lower.len()).ok().filter(|_| lower.len() <= NEAR) {
            code.push(branch(BPF_JGE, *from, near, 0));
        } else {
            code.push(branch(BPF_JGE, *from, 0, 1));
            code.push(plain(BPF_JMP | BPF_JA, lower.len() as u32));
        }
        code.append(&mut lower);
        return tree(high, code);
    };
    code.extend_from_slice(only);
}

/// As bytes: eight for each instruction, little-endian.
#[must_use]
pub fn encode(program: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for one in program {
        bytes.extend_from_slice(&one.code.to_le_bytes());
        bytes.extend_from_slice(&[one.if_true, one.if_false]);
        bytes.extend_from_slice(&one.operand.to_le_bytes());
    }
    bytes
}

/// The reverse of [`encode`]; what is left over at the end is no instruction.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Instruction> {
    let (whole, _) = bytes.as_chunks::<8>();
    let one = |[a, b, if_true, if_false, w, x, y, z]: &[u8; 8]| Instruction {
        code: u16::from_le_bytes([*a, *b]),
        if_true: *if_true,
        if_false: *if_false,
        operand: u32::from_le_bytes([*w, *x, *y, *z]),
    };
    whole.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
