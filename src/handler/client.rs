//! Who asks: the peer of the connection or, behind trusted proxies, whom they name.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::Scheme;
use crate::handler::{Context, Request};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether what this peer says of others is believed.
#[must_use]
pub fn is_trusted(trusted: &[IpNet], peer: Option<IpAddr>) -> bool {
    !trusted.is_empty()
        && peer.is_some_and(|peer| {
            let peer = peer.to_canonical();
            trusted.iter().any(|net| net.contains(&peer))
        })
}

/// The client's address: the right-most one of `X-Forwarded-For` that is not trusted itself. What stands left of it could be
/// anything. An entry that is no address ends the search. `None` over a unix socket.
#[must_use]
pub fn address(trusted: &[IpNet], peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let mut client = peer?.to_canonical();
    if trusted.is_empty() {
        return Some(client);
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut named = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    while is_trusted(trusted, Some(client)) {
        match named.next().and_then(|text| text.trim().parse::<IpAddr>().ok()) {
            Some(before) => client = before.to_canonical(),
            None => break,
        }
    }
    Some(client)
}

/// Who counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Whoever comes over a unix socket.
    Unix,
    /// An address.
    V4(u32),
    /// The /64: the rest of the address is the client's own to choose.
    V6(u64),
}

impl Client {
    /// Who sent `request`, as [`address`] has it.
    #[must_use]
    pub fn of(trusted: &[IpNet], request: &Request) -> Self {
        let peer = request.context.peer.as_ref().map(|peer| peer.address);
        Self::at(address(trusted, peer, &request.head.headers))
    }

    fn at(address: Option<IpAddr>) -> Self {
        match address {
            None => Client::Unix,
            Some(IpAddr::V4(address)) => Client::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Client::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// How the client came to the first proxy that is believed.
#[must_use]
pub fn scheme(trusted: &[IpNet], context: &Context, headers: &HeaderMap) -> Scheme {
    let peer = context.peer.as_ref().map(|peer| peer.address);
    let told = headers.get(X_FORWARDED_PROTO).filter(|_| is_trusted(trusted, peer));
    let is_https =
        told.map_or(context.is_tls, |told| told.as_bytes().eq_ignore_ascii_case(b"https"));
    if is_https { Scheme::Https } else { Scheme::Http }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_client_are_one() {
        let client = |text: &str| Client::at(Some(text.parse().unwrap()));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(Client::at(None), Client::Unix);
    }

    fn map(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_right_most_stranger_is_the_client() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "::1/128"].iter().map(|net| net.parse().unwrap()).collect();
        let rows: [(&str, &[&str], &str); 10] = [
            ("1.2.3.4", &["6.6.6.6"], "1.2.3.4"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4", "10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["1.2.3.4, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, "], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("::1", &["::ffff:1.2.3.4"], "1.2.3.4"),
        ];
        for (peer, lines, expected) in rows {
            let found = address(&trusted, Some(peer.parse().unwrap()), &map(lines));
            assert_eq!(found, Some(expected.parse().unwrap()), "{peer} {lines:?}");
        }
        assert_eq!(address(&trusted, None, &map(&["1.2.3.4"])), None);
        let peer = Some("10.0.0.1".parse().unwrap());
        assert_eq!(address(&[], peer, &map(&["1.2.3.4"])), peer);
    }
}
