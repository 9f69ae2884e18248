//! What a `Host` may look like (RFC 9110 section 7.2, RFC 3986 section 3.2.2): a name, an IPv4 address or an IPv6 address in
//! brackets, and a port.

use std::net::Ipv6Addr;

/// Whether `host` is one.
#[must_use]
pub fn is_valid(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok() && is_port_suffix(port)
        }),
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            is_name(name) && is_port_suffix(port)
        }
    }
}

/// RFC 3986 has more in a reg-name; nobody else has it in a host.
fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_part)
}

/// Nothing, or `:` and a number up to 65535; the number may be missing.
fn is_port_suffix(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && (port.is_empty() || port.parse::<u16>().is_ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let good =
            ["a", "a.b:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80", "a-b_c.d", "a:"];
        let bad = [
            "", ":80", "a:b", "a:65536", "a:-1", "a b", "a/b", "a@b", "a,b", "a:80:80", "[::1",
            "::1", "[g]", "[::1]x", "a%20", "a\u{e9}", "a?b", "a#b",
        ];
        for host in good {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
        for host in bad {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }
}
