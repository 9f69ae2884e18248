//! Calls in processes of their own, driven through the real program from outside.
//! Each test looks at the answer, the reason, the metric, and at what is left over: nothing.

mod accounting;
mod arguments;
mod cooperation;
mod deadlines;
mod endings;
mod examples;
mod faults;
mod gates;
pub mod ground;
mod handlers;
mod hostile;
mod leaving;
mod loading;
mod outputs;
mod queue;
mod queue_breaker;
mod queue_late;
mod queue_spares;
mod queue_turns;
mod results;
mod slots;
mod slow_log;
mod spares;
mod streaming;
mod success;
pub mod swapped;
mod truth;
mod types;
