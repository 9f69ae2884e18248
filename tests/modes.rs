//! How calls run, by one word of the file: each mode driven through the real program with real C libraries.

mod compare;
mod detached;
mod fork;
mod growth;
mod inline;
mod pool;
mod stalls;
mod thread;
mod traits;
