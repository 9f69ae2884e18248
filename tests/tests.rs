//! The programs as they are used, and the rules of the house.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod codec;
mod support;
mod worker;
