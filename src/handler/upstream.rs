//! One upstream at work: which of its addresses gets a request, who waits, and the connections to it, which are made,
//! kept and used on the event loop that asks for them.

pub mod balance;
pub mod body;
pub mod connect;
pub mod connections;
pub mod endpoint;
pub mod group;
pub mod health;
pub mod http1;
pub mod http2;
pub mod lease;
pub mod limit;
pub mod linger;
pub mod meters;
pub mod pool;
pub mod resolve;
pub mod tls;

pub use body::{Carrier, UpstreamBody};
pub use connect::Stream;
pub use connections::Connections;
pub use endpoint::Endpoint;
pub use group::Group;
pub use lease::Lease;
pub use meters::Trouble;
pub use pool::Pool;
