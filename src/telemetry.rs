//! What Cofferdam says about itself: the definition of every metric, and where log lines go.
//! Labels are configured names or closed lists; handles are resolved when a route or a function is built, never per request.

pub mod exemplars;
pub mod exposition;
pub mod log;
pub mod metrics;
pub mod process;

pub use exposition::Format;
pub use metrics::Metrics;
