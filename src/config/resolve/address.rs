//! Where to listen, and where an upstream listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::parsed;
use crate::config::raw::Field;
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::config::{Address, Origin};

/// `sun_path` of unix(7) less its NUL.
const MAX_UNIX_PATH: usize = 107;

const LISTEN: &str = "write an IP address and a port, \"127.0.0.1:8080\" or \":8080\" for all of them, \
                      or \"unix:/run/app.sock\"";
const URL: &str =
    "write \"http://127.0.0.1:5000\", \"https://app.internal\" or \"unix:/run/app.sock\"";

/// An upstream's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    pub(super) origin: Origin,
}

/// What stands before the `:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Unix,
}

/// Where to listen; a socket's path is relative to the file's folder.
pub(super) fn address(field: Option<&Field<String>>, source: &mut Source<'_>) -> Option<Address> {
    match parsed(field, source, listen)? {
        Address::Unix(path) => located(path, field, source).map(Address::Unix),
        tcp @ Address::Tcp(_) => Some(tcp),
    }
}

/// Where an upstream listens; a socket's path is relative to the file's folder.
pub(super) fn upstream(field: Option<&Field<String>>, source: &mut Source<'_>) -> Option<Url> {
    let Url { scheme, origin } = parsed(field, source, url)?;
    let origin = match origin {
        Origin::Unix(path) => Origin::Unix(located(path, field, source)?),
        tcp @ Origin::Tcp { .. } => tcp,
    };
    Some(Url { scheme, origin })
}

fn located(
    path: PathBuf,
    field: Option<&Field<String>>,
    source: &mut Source<'_>,
) -> Option<PathBuf> {
    let path = source.resolve_path(&path.to_string_lossy());
    if path.as_os_str().len() <= MAX_UNIX_PATH {
        return Some(path);
    }
    let message = format!("a unix socket's path has at most {MAX_UNIX_PATH} bytes");
    let problem = Problem::at(&field?.span, message);
    source.wrong(problem.help("choose a shorter path, as \"unix:/run/app.sock\""));
    None
}

/// `HOST:PORT`, `:PORT` (all IPv4 addresses) or `unix:PATH`. The path comes back as written.
fn listen(text: &str) -> Result<Address, Complaint> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(unix(path)?.into()));
    }
    let wrong = |message: String| Complaint::new(message, LISTEN);
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| wrong(format!("`{text}` has no `:PORT`")))?;
    let port = port_number(port).ok_or_else(|| wrong(format!("`{port}` is no port")))?;
    let ip: IpAddr = match host {
        "" => Ipv4Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => bare(host).parse().map_err(|_| wrong(format!("`{host}` is no IP address")))?,
    };
    if ip.is_ipv6() && !host.starts_with('[') {
        return Err(wrong(format!("write brackets around an IPv6 address: \"[{host}]:{port}\"")));
    }
    Ok(Address::Tcp(SocketAddr::new(ip, port)))
}

/// `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. The path comes back as written.
fn url(text: &str) -> Result<Url, Complaint> {
    let wrong = |message: String| Complaint::new(message, URL);
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Url { scheme: Scheme::Unix, origin: Origin::Unix(unix(path)?.into()) });
    }
    let plain = text.strip_prefix("http://").map(|rest| (Scheme::Http, ":80", rest));
    let secure = || text.strip_prefix("https://").map(|rest| (Scheme::Https, ":443", rest));
    let found = plain.or_else(secure);
    let (scheme, port, rest) =
        found.ok_or_else(|| wrong(format!("`{text}` is no upstream's URL")))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        let message =
            "an upstream's URL has no path, query or user: the request's own path is sent";
        let start = text.len() - rest.len() + at;
        return Err(wrong(message.into()).part(&(start..text.len())));
    }
    let origin = authority_parts(authority, port);
    let origin = origin.ok_or_else(|| wrong(format!("`{authority}` is no HOST:PORT")))?;
    Ok(Url { scheme, origin })
}

/// `default` is the `:PORT` that is not written.
fn authority_parts(authority: &str, default: &str) -> Option<Origin> {
    let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[end_of_host..].rfind(':') {
        Some(at) => authority.split_at(end_of_host + at),
        None => (authority, default),
    };
    let port = port_number(&port[1..]).filter(|port| *port > 0)?;
    let inner = bare(host);
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let valid = match inner.parse::<IpAddr>() {
        Ok(ip) => ip.is_ipv6() == host.starts_with('['),
        Err(_) => !host.starts_with('[') && !host.is_empty() && host.bytes().all(is_name),
    };
    valid.then(|| Origin::Tcp { host: inner.into(), port })
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Digits only.
fn port_number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn unix(path: &str) -> Result<&str, Complaint> {
    let mend = "write unix: and a path, as \"unix:/run/app.sock\"";
    if path.is_empty() || path.contains('\0') {
        return Err(Complaint::new("a unix socket needs a path", mend));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_at() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(listen(text), Ok(Address::Tcp(address.parse().unwrap())), "{text}");
        }
        assert_eq!(listen("unix:/run/a.sock"), Ok(Address::Unix("/run/a.sock".into())));
        for text in
            ["", "8080", "x:8080", "::1:80", ":65536", ":+80", "127.0.0.1:", "unix:", "1.2.3:80"]
        {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_of_upstreams() {
        for (text, name, number) in [
            ("http://127.0.0.1:5000", "127.0.0.1", 5000),
            ("http://app/", "app", 80),
            ("http://my-app.local:81", "my-app.local", 81),
            ("http://[::1]:81", "::1", 81),
            ("http://[::1]", "::1", 80),
        ] {
            let origin = Origin::Tcp { host: name.into(), port: number };
            assert_eq!(url(text), Ok(Url { scheme: Scheme::Http, origin }), "{text}");
        }
        let origin = Origin::Tcp { host: "app".into(), port: 443 };
        assert_eq!(url("https://app/"), Ok(Url { scheme: Scheme::Https, origin }));
        for text in [
            "",
            "app:5000",
            "HTTP://app",
            "https://",
            "https://app/x",
            "http://",
            "http://:80",
            "http://a:0",
            "http://a:x",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://::1:80",
            "http://[::1",
            "http://[app]:80",
            "http://a b",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
