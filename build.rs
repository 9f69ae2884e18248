//! Nothing yet needs building.

fn main() {}
