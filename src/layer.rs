//! What lies around a handler, one middleware a file. `route::compose` puts them in order.

pub mod access;
pub mod admission;
pub mod compress;
pub mod deadline;
pub mod detach;
pub mod headers;
pub mod intake;
pub mod observe;
pub mod poison;
pub mod rate_limit;
pub mod rewrite;
