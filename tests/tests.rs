//! All integration tests, one program: it links once, and its tests share one harness.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by panicking")]
#![allow(unreachable_pub, reason = "a test program has no outside")]

#[macro_use]
mod support;

mod calls;
mod codec;
mod commands;
mod config;
mod crashes;
mod demo;
mod faults;
mod house;
mod hygiene;
mod limits;
mod manners;
mod modes;
mod origin;
mod proxy_protocol;
mod proxying;
mod reload;
mod restart;
mod routing;
mod sandbox;
mod serving;
mod tls;
mod upstreams;
mod worker;
