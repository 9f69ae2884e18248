//! Headers between client and upstream: what belongs to one connection stays there, who asked is told anew.

use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What a client could say to be taken for another one, or to be routed past the rules; `x-forwarded-*` besides.
const FORGEABLE: [HeaderName; 5] = [
    FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("proxy"),
];

/// `Connection` first: it lists more.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    UPGRADE,
    HTTP2_SETTINGS,
    PROXY_AUTHORIZATION,
    PROXY_AUTHENTICATE,
    TRANSFER_ENCODING,
];

/// Removes what belongs to one connection (RFC 9110 section 7.6.1), in either direction. The framing is hyper's own.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // One pass over the few names that are there is cheaper than a look-up of each that may be.
    let place = |name: &HeaderName| HOP_BY_HOP.iter().position(|hop| hop == name);
    let present = headers.keys().filter_map(place).fold(0_u32, |all, place| all | 1 << place);
    if present & 1 != 0 {
        strip_listed(headers);
    }
    for (place, name) in HOP_BY_HOP.iter().enumerate() {
        if present & 1 << place != 0 {
            headers.remove(name);
        }
    }
}

/// What `Connection` lists, but never the framing nor the host.
fn strip_listed(headers: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_usual = |token: &&[u8]| {
        [&b"keep-alive"[..], b"close", b"upgrade"]
            .iter()
            .any(|usual| token.eq_ignore_ascii_case(usual))
    };
    let tokens = tokens.map(<[u8]>::trim_ascii).filter(|token| !is_usual(token));
    let listed: Vec<HeaderName> =
        tokens.filter_map(|token| HeaderName::from_bytes(token).ok()).collect();
    for name in listed {
        if ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            headers.remove(name);
        }
    }
}

/// Settles a request's `Connection` on arrival: what it lists goes, and of itself stays only the wish to upgrade. Later, a
/// client that lists `x-user` would take away the one that is set on the way to the upstream.
pub fn settle_connection(headers: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = values.flat_map(|value| value.split(','));
    let is_upgrade = tokens.any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    strip_listed(headers);
    match is_upgrade {
        true => headers.insert(CONNECTION, HeaderValue::from_static("upgrade")),
        false => headers.remove(CONNECTION),
    };
}

/// Tells the upstream who asked: `X-Forwarded-For`, `-Proto`, `-Host`. What the client says of itself goes on only
/// when it is trusted; then its own address is added to the list.
pub fn forward(
    headers: &mut HeaderMap,
    peer: Option<&HeaderValue>,
    is_tls: bool,
    is_trusted: bool,
) {
    if !is_trusted {
        strip_forged(headers);
    }
    if let Some(peer) = peer {
        headers.append(X_FORWARDED_FOR, peer.clone());
    }
    let has = |headers: &HeaderMap, name| is_trusted && headers.contains_key(name);
    if !has(headers, X_FORWARDED_PROTO) {
        let scheme = HeaderValue::from_static(if is_tls { "https" } else { "http" });
        headers.insert(X_FORWARDED_PROTO, scheme);
    }
    if !has(headers, X_FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

fn strip_forged(headers: &mut HeaderMap) {
    let is_forgeable =
        |name: &&HeaderName| FORGEABLE.contains(name) || name.as_str().starts_with("x-forwarded-");
    let forged: Vec<HeaderName> = headers.keys().filter(is_forgeable).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Whether a message is one of gRPC, which tells its status in trailers.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// HTTP/2 may send one cookie a field; HTTP/1.1 has one `Cookie` (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// Makes an upstream's framing unambiguous (RFC 9112 section 6.3): false where it cannot be.
#[must_use]
pub fn settle_framing(status: StatusCode, headers: &mut HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return false,
    };
    let has_no_body = status == StatusCode::NO_CONTENT;
    if is_chunked || has_no_body {
        headers.remove(CONTENT_LENGTH);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let is_clear = lengths.next().is_none_or(|only| only.as_bytes().iter().all(u8::is_ascii_digit));
    is_clear && lengths.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        let rows = rows
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        rows.for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn what_connection_lists_is_removed_but_never_the_framing() {
        let mut headers = map(&[
            ("connection", "close, X-Secret , host"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("host", "a"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("host", "a"), ("accept", "*/*")]));
    }

    #[test]
    fn what_is_set_later_cannot_be_listed_away() {
        let mut headers = map(&[
            ("connection", "Upgrade, x-user, host"),
            ("x-user", "forged"),
            ("host", "a"),
            ("upgrade", "websocket"),
        ]);
        settle_connection(&mut headers);
        headers.insert("x-user", HeaderValue::from_static("set"));
        let kept = [("connection", "upgrade"), ("host", "a"), ("upgrade", "websocket")];
        assert_eq!(headers, {
            let mut expected = map(&kept);
            expected.insert("x-user", HeaderValue::from_static("set"));
            expected
        });
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("host", "a"), ("x-user", "set")]));
    }

    #[test]
    fn a_stranger_cannot_say_who_it_is() {
        let forged = [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6")];
        let peer = Some(&HeaderValue::from_static("10.0.0.1"));
        let mut headers = map(&forged);
        headers.insert(HOST, HeaderValue::from_static("h"));
        forward(&mut headers, peer, true, false);
        assert_eq!(
            headers,
            map(&[
                ("host", "h"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "h")
            ])
        );
        let mut headers = map(&forged);
        forward(&mut headers, peer, false, true);
        let list: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(list, ["6.6.6.6", "10.0.0.1"]);
    }
}
