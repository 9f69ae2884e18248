//! What a worker may do, row by row of `docs/faults.md`, through the real program from outside and in each isolated mode.
//! One helper holds each fault against all that must be true of any: see `ground`.

mod chatter;
mod deaths;
mod files;
mod frames;
pub mod ground;
mod hangs;
mod lies;
mod litter;
mod noise;
mod paper;
mod proxy;
mod shortage;
mod soak;
mod storms;
mod stuck;
