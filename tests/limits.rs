//! What clients may cost: time, memory, descriptors; and that those who behave do not feel the others.

mod descriptors;
mod memory;
mod requests;
mod sending;
mod slow;

use crate::support::Cofferdam;

/// A proxy to `url` with these lines under `[server]`.
fn limited(url: &str, limits: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"{url}\"\n[server]\n{limits}\n"))
}
