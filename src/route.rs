//! Which route answers a request, and what a route is made of.

pub mod compose;
pub mod pattern;
pub mod table;

pub use compose::{Parts, Promised, RouteService, UNMATCHED};
pub use table::{Table, Target};
