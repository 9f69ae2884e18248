//! Cofferdam: a reverse-proxy sidecar that keeps blocking handlers from stalling a server.
//!
//! The house has floors. A module uses only floors below its own; `tests/house.rs` reads the table
//! and enforces it. `worker` is the child's side of an isolated call: it uses only `wire`, `ffi`
//! and `sys`, so that a fresh process costs as little as it can.
//!
//! ```text floors
//! 9 app                  composition root, signals, command line
//! 8 server admin         accepting connections; the operator's side
//! 7 route                matching; the one function that composes a route's stack
//! 6 layer                observe, deadline, admission: one middleware a file
//! 5 handler              proxy, respond, call: HTTP in, HTTP out
//! 4 executor             how a call runs, one mode a file: Call in, Outcome out
//! 3 child worker listen  the parent's side / the child's side of an isolated call / listening sockets
//! 2 call config wire     plain values: the vocabulary, the settings, the frames
//! 1 ffi telemetry        prototypes, values, libraries / metric and log definitions
//! 1 symbols              what addresses of a process are called
//! 0 sys                  safe names for kernel calls
//! ```

pub mod admin;
pub mod app;
pub mod call;
pub mod child;
pub mod config;
pub mod executor;
#[allow(unsafe_code)]
pub mod ffi;
pub mod handler;
pub mod layer;
pub mod listen;
pub mod route;
pub mod server;
pub mod symbols;
#[allow(unsafe_code)]
pub mod sys;
pub mod telemetry;
pub mod wire;
#[allow(unsafe_code)]
pub mod worker;
