//! SIGHUP while it serves: new versions of libraries, taken by new workers after a test or refused, and nothing lost.

mod ground;
mod libraries;
mod refusals;
mod storm;
