//! The child of one isolated call.

fn main() {}
