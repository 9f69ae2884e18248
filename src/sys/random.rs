//! Random numbers for names that need be unique, not secret: a generator for each thread, seeded by the kernel, without
//! a lock and without a system call for each number.

use std::array;
use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    static STATE: Cell<[u64; 4]> = Cell::new(seed());
}

/// The standard library keys its hashers by getrandom(2), each one differently.
fn seed() -> [u64; 4] {
    array::from_fn(|_| RandomState::new().build_hasher().finish())
}

/// Gives the C library's own generators (`rand(3)`, `random(3)`, `drand48(3)`) a seed of the kernel: for a process that
/// would share its parent's. The standard library's keys are the parent's as well, so they do not do here.
pub fn reseed_c() {
    let mut seed = 0_u64;
    // SAFETY: getrandom(2) writes eight bytes, to `seed`; the others write to the C library's own state only.
    unsafe {
        libc::getrandom((&raw mut seed).cast(), size_of::<u64>(), 0);
        libc::srand(seed as u32);
        libc::srand48((seed >> 32) as libc::c_long);
    }
}

/// The next 64 bits.
#[must_use]
pub fn next_u64() -> u64 {
    let mut state = STATE.get();
    let next = xoshiro256(&mut state);
    STATE.set(state);
    next
}

/// The next 128 bits.
#[must_use]
pub fn next_u128() -> u128 {
    u128::from(next_u64()) << 64 | u128::from(next_u64())
}

/// xoshiro256++ of Blackman and Vigna (<https://prng.di.unimi.it/xoshiro256plusplus.c>).
fn xoshiro256(s: &mut [u64; 4]) -> u64 {
    let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
    let shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3].rotate_left(45);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        let mut state = [1, 2, 3, 4];
        let first: [u64; 3] = array::from_fn(|_| xoshiro256(&mut state));
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn threads_go_their_own_ways() {
        let here = next_u128();
        let there = std::thread::spawn(next_u128).join().unwrap();
        assert!(here != there && here != next_u128());
    }
}
