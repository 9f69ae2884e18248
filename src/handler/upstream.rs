//! Connections to one upstream: made, kept and used on the event loop that asks for them.

pub mod body;
pub mod connect;
pub mod http1;
pub mod pool;

pub use body::{Carrier, UpstreamBody};
pub use connect::Stream;
pub use pool::Pool;
