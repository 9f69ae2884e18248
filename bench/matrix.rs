//! What is measured: each way of asking, with so many workers and connections, for a body of such a size.

use std::fmt;

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// HTTP/1.1, connections kept.
    Http1,
    /// HTTP/1.1, a connection for each request.
    Http1New,
    /// HTTP/2 in cleartext, by prior knowledge.
    Http2,
    /// HTTP/1.1 over TLS, connections kept.
    Tls1,
    /// HTTP/1.1 over TLS, a whole handshake for each request.
    Tls1New,
    /// HTTP/2 over TLS.
    Tls2,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Http1, Self::Http1New, Self::Http2, Self::Tls1, Self::Tls1New, Self::Tls2];

    /// Its word in a case's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1New => "h1-new",
            Self::Http2 => "h2",
            Self::Tls1 => "tls-h1",
            Self::Tls1New => "tls-h1-new",
            Self::Tls2 => "tls-h2",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1, keep-alive",
            Self::Http1New => "HTTP/1, a new connection for each request",
            Self::Http2 => "HTTP/2 in cleartext",
            Self::Tls1 => "HTTP/1 over TLS, keep-alive",
            Self::Tls1New => "HTTP/1 over TLS, a handshake for each request",
            Self::Tls2 => "HTTP/2 over TLS",
        }
    }

    /// HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Tls2)
    }

    /// TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls1 | Self::Tls1New | Self::Tls2)
    }

    /// Each request opens a connection.
    pub fn is_new(self) -> bool {
        matches!(self, Self::Http1New | Self::Tls1New)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// 5 B.
    Tiny,
    /// 10 KiB.
    Small,
    /// 1 MiB.
    Large,
}

impl Body {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Large];

    /// Its word in a case's name, and its path behind a slash.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tiny => "5B",
            Self::Small => "10KiB",
            Self::Large => "1MiB",
        }
    }

    /// Bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Tiny => 5,
            Self::Small => 10 << 10,
            Self::Large => 1 << 20,
        }
    }

    /// Requests at once on an HTTP/2 connection; the large body fills one alone.
    pub fn streams(self) -> u32 {
        if self == Self::Large { 1 } else { 4 }
    }
}

/// One line of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How requests come.
    pub mode: Mode,
    /// Threads of a proxy, and of the client.
    pub workers: u32,
    /// Connections of the client.
    pub connections: u32,
    /// What is asked for.
    pub body: Body,
}

/// The one that the limits are about: one worker, keep-alive, 32 connections, the smallest body.
pub const FIRST: Case = Case { mode: Mode::Http1, workers: 1, connections: 32, body: Body::Tiny };

impl Case {
    /// The matrix, or the small part of it that is looked at in passing.
    pub fn all(quick: bool) -> Vec<Self> {
        let workers: &[u32] = if quick { &[1] } else { &[1, 2] };
        let connections: &[u32] = if quick { &[32] } else { &[32, 256] };
        let mut cases = Vec::new();
        for mode in Mode::ALL {
            for &workers in workers {
                for &connections in connections {
                    let case = |body| Self { mode, workers, connections, body };
                    cases.extend(Body::ALL.map(case));
                }
            }
        }
        cases
    }

    /// Each word of `filter` is a word of its name.
    pub fn fits(&self, filter: &str) -> bool {
        let name = self.to_string();
        filter.split_whitespace().all(|word| name.split(' ').any(|own| own == word))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, workers, connections, body } = self;
        write!(f, "{} {workers}w {connections}c {}", mode.word(), body.word())
    }
}
