//! The header of the PROXY protocol, version 1 and 2, that a load balancer puts before a connection: who its client is.
//! Pure, strict and bounded. The specification is HAProxy's `proxy-protocol.txt`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest line of version 1, its CRLF included.
const V1_MOST: usize = 107;
const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const V2_FIXED: usize = 16;
/// The longest header of version 2. Addresses need 36 bytes, those of unix sockets 216; the rest is for TLVs.
pub const MOST: usize = V2_FIXED + 4096;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what follows is the client's own.
    pub length: usize,
    /// The client's address; `None`: as the socket has it. So say LOCAL and UNKNOWN, and a client of a unix socket.
    pub source: Option<IpAddr>,
}

/// No header of this protocol: nothing may be made of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first bytes are those of neither version.
    #[error("it does not begin with a header of the PROXY protocol")]
    Missing,
    /// Version 1.
    #[error("the line of version 1 is malformed")]
    Line,
    /// Version 2.
    #[error("the header of version 2 is malformed")]
    Binary,
    /// Longer than [`MOST`].
    #[error("the header is longer than {MOST} bytes")]
    TooLong,
}

/// Reads the header at the start of `bytes`; `None`: more are needed.
///
/// # Errors
/// As soon as it cannot become one.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if starts(bytes, V2_START) {
        return binary(bytes);
    }
    if starts(bytes, V1_START) {
        return line(bytes);
    }
    Err(Malformed::Missing)
}

/// As far as both go, they are the same.
fn starts(bytes: &[u8], with: &[u8]) -> bool {
    let length = bytes.len().min(with.len());
    bytes[..length] == with[..length]
}

/// Section 2.1.
fn line(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let most = &bytes[..bytes.len().min(V1_MOST)];
    let Some(end) = most.iter().position(|byte| *byte == b'\n') else {
        return if most.len() < V1_MOST { Ok(None) } else { Err(Malformed::Line) };
    };
    let text = most[..end].strip_suffix(b"\r").ok_or(Malformed::Line)?;
    let text = str::from_utf8(text).map_err(|_| Malformed::Line)?;
    let words: Vec<&str> = text.split(' ').collect();
    let source = match words[..] {
        // Whatever follows is to be ignored.
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", "TCP4", from, to, from_port, to_port] => {
            Some(endpoints::<Ipv4Addr>([from, to], [from_port, to_port])?.into())
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] => {
            Some(endpoints::<Ipv6Addr>([from, to], [from_port, to_port])?.into())
        }
        _ => return Err(Malformed::Line),
    };
    Ok(Some(Header { length: end + 1, source }))
}

/// The source's address, when all four are well-formed.
fn endpoints<A: std::str::FromStr>(addresses: [&str; 2], ports: [&str; 2]) -> Result<A, Malformed> {
    let [from, to] = addresses.map(|text| text.parse::<A>().map_err(|_| Malformed::Line));
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port.to_string() == text);
    match (from, to) {
        (Ok(from), Ok(_)) if ports.into_iter().all(is_port) => Ok(from),
        _ => Err(Malformed::Line),
    }
}

/// Section 2.2. TLVs after the addresses are passed over.
fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED) else { return Ok(None) };
    let command = fixed[12];
    if !matches!(command, 0x20 | 0x21) {
        return Err(Malformed::Binary);
    }
    let payload = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = V2_FIXED + payload;
    if length > MOST {
        return Err(Malformed::TooLong);
    }
    // LOCAL: a connection of the load balancer itself; the family means nothing then.
    let family = if command == 0x20 { 0x00 } else { fixed[13] };
    if payload < addresses(family)? {
        return Err(Malformed::Binary);
    }
    let Some(payload) = rest.get(..payload) else { return Ok(None) };
    Ok(Some(Header { length, source: source(family, payload) }))
}

/// Bytes of both addresses and ports; the high half is the family, the low half the transport.
fn addresses(family: u8) -> Result<usize, Malformed> {
    match family {
        0x00 => Ok(0),
        0x11 | 0x12 => Ok(12),
        0x21 | 0x22 => Ok(36),
        0x31 | 0x32 => Ok(216),
        _ => Err(Malformed::Binary),
    }
}

fn source(family: u8, payload: &[u8]) -> Option<IpAddr> {
    match family {
        0x11 | 0x12 => payload.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        0x21 | 0x22 => payload.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &[u8] = &[10, 0, 0, 7, 127, 0, 0, 1, 0x1f, 0x90, 0, 80];

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [V2_START, &[command, family], &length, payload].concat()
    }

    /// Whole: the client's address; and no shorter piece of it is a header.
    #[track_caller]
    fn source_of(header: &[u8]) -> Option<String> {
        for length in 0..header.len() {
            assert_eq!(read(&header[..length]), Ok(None), "the first {length} of {header:?}");
        }
        let with_more = [header, b"GET / HTTP/1.1\r\n"].concat();
        let read = read(&with_more).unwrap().unwrap();
        assert_eq!(read.length, header.len(), "{header:?}");
        read.source.map(|source| source.to_string())
    }

    #[test]
    fn lines_of_version_1() {
        let longest = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                       ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        assert_eq!(longest.len(), V1_MOST);
        let rows = [
            ("PROXY TCP4 10.0.0.7 127.0.0.1 8080 80\r\n", Some("10.0.0.7")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255")),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0")),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Some("2001:db8::1")),
            ("PROXY TCP6 ::ffff:10.0.0.7 ::1 1 2\r\n", Some("::ffff:10.0.0.7")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN whatever  comes\r\n", None),
            (longest, None),
        ];
        for (line, source) in rows {
            assert_eq!(source_of(line.as_bytes()).as_deref(), source, "{line:?}");
        }
    }

    #[test]
    fn lines_that_are_none() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MOST));
        let rows = [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 10.0.0.7 127.0.0.1 8080 80\r\n",
            " PROXY UNKNOWN\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP5 10.0.0.7 127.0.0.1 8080 80\r\n",
            "PROXY UDP4 10.0.0.7 127.0.0.1 8080 80\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 8080\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 8080 80 1\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 8080 80 \r\n",
            "PROXY TCP4  10.0.0.7 127.0.0.1 8080 80\r\n",
            "PROXY\tTCP4 10.0.0.7 127.0.0.1 8080 80\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 8080 65536\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 -1 80\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 +1 80\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 080 80\r\n",
            "PROXY TCP4 010.0.0.7 127.0.0.1 80 80\r\n",
            "PROXY TCP4 10.0.0 127.0.0.1 80 80\r\n",
            "PROXY TCP4 ::1 ::1 80 80\r\n",
            "PROXY TCP6 10.0.0.7 127.0.0.1 80 80\r\n",
            "PROXY TCP4 10.0.0.7 example.com 80 80\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 80 80\r\n",
            "PROXY TCP4 10.0.0.7 127.0.0.1 80 80\r\r\n",
            "PROXY TCP4 10.0.0.7\0 127.0.0.1 80 80\r\n",
            &long,
        ];
        for line in rows {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
        assert_eq!(read(b"PROXY UNKNOWN \xff\r\n"), Err(Malformed::Line));
    }

    #[test]
    fn headers_of_version_2() {
        let ipv6: Vec<u8> = (0..36).collect();
        let tlvs = [IPV4, b"\x04\0\x03abc"].concat();
        let address = Some("10.0.0.7");
        let rows = [
            (v2(0x21, 0x11, IPV4), address),
            (v2(0x21, 0x12, IPV4), address),
            (v2(0x21, 0x11, &tlvs), address),
            (v2(0x21, 0x11, &[IPV4, &[0; 4084]].concat()), address),
            (v2(0x21, 0x21, &ipv6), Some("1:203:405:607:809:a0b:c0d:e0f")),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
            (v2(0x21, 0x00, b""), None),
            (v2(0x21, 0x00, b"\x04\0\x01a"), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, IPV4), None),
            (v2(0x20, 0xff, b"any"), None),
        ];
        for (header, source) in rows {
            assert_eq!(source_of(&header).as_deref(), source, "{header:?}");
        }
    }

    #[test]
    fn headers_that_are_none() {
        let rows = [
            (v2(0x11, 0x11, IPV4), Malformed::Binary),
            (v2(0x31, 0x11, IPV4), Malformed::Binary),
            (v2(0x22, 0x11, IPV4), Malformed::Binary),
            (v2(0x2f, 0x11, IPV4), Malformed::Binary),
            (v2(0x21, 0x10, IPV4), Malformed::Binary),
            (v2(0x21, 0x01, IPV4), Malformed::Binary),
            (v2(0x21, 0x13, IPV4), Malformed::Binary),
            (v2(0x21, 0x41, IPV4), Malformed::Binary),
            (v2(0x21, 0x11, &IPV4[..11]), Malformed::Binary),
            (v2(0x21, 0x11, b""), Malformed::Binary),
            (v2(0x21, 0x21, &[0; 35]), Malformed::Binary),
            (v2(0x21, 0x31, &[0; 215]), Malformed::Binary),
            (v2(0x21, 0x11, &[0; 4097]), Malformed::TooLong),
            (v2(0x20, 0x00, &[0; 65535]), Malformed::TooLong),
            (b"\r\n\r\n\0\r\nQUIX\n".to_vec(), Malformed::Missing),
            (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), Malformed::Missing),
        ];
        for (header, why) in rows {
            assert_eq!(read(&header), Err(why), "{header:?}");
        }
    }
}
