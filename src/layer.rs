//! What lies around a handler, one middleware a file. `route::compose` puts them in order.

pub mod access;
pub mod admission;
pub mod deadline;
pub mod intake;
pub mod observe;
