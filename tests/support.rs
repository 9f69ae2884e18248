//! The ground that tests stand on: the real program on port 0, a fake upstream, a raw HTTP client, and a look at processes.
//! Nothing here sleeps: tests wait for the event itself, or poll with [`eventually!`].

#[macro_use]
pub mod wait;

pub mod answer;
pub mod authority;
pub mod background;
pub mod by_hand;
pub mod clib;
pub mod cofferdam;
pub mod dice;
pub mod frames;
pub mod http;
pub mod http2;
pub mod https;
pub mod load;
pub mod metrics;
pub mod openmetrics;
pub mod place;
pub mod process;
pub mod program;
pub mod python;
pub mod quiet;
pub mod running;
pub mod skip;
pub mod tls_front;
pub mod upstream;
pub mod upstream2;

pub use answer::Answer;
pub use authority::Authority;
pub use by_hand::ByHand;
pub use cofferdam::Cofferdam;
pub use dice::Dice;
pub use http2::Http2;
pub use https::Trust;
pub use place::Place;
pub use skip::skip;
pub use tls_front::TlsFront;
pub use upstream::Upstream;
pub use upstream2::Upstream2;
