//! HTTP/2 frame by frame (RFC 9113 section 4): what a library would never send, and what comes back for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::http::TIMEOUT;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A connection that has said its preface.
#[derive(Debug)]
pub struct Frames {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its status and its body.
    Answer(u16, Vec<u8>),
    /// RST_STREAM with this code, before an answer was whole.
    Reset(u32),
    /// GOAWAY with this code, and the end of the connection.
    GoAway(u32),
    /// The end of the connection without a word.
    Closed,
}

impl Frames {
    /// Connects; the answer's headers will not refer to others (a table of 0 bytes).
    pub fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[(1, 0)])
    }

    /// With these settings instead.
    pub fn open_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut frames = Self { stream, unread: Vec::new() };
        let pairs = settings.iter().flat_map(|(id, value)| {
            [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat()
        });
        let payload: Vec<u8> = pairs.collect();
        frames.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(SETTINGS, 0, 0, &payload).unwrap();
        frames
    }

    /// Bytes as they stand.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// One frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.raw(&frame(kind, flags, stream, payload))
    }

    /// A head in one frame.
    pub fn head(&mut self, stream: u32, fields: &[(&[u8], &[u8])], flags: u8) -> io::Result<()> {
        self.send(HEADERS, END_HEADERS | flags, stream, &block(fields))
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(head) = self.unread.get(..9) {
                let length =
                    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if self.unread.len() >= 9 + length {
                    let (kind, flags) = (head[3], head[4]);
                    let stream = number(&head[5..9]) & 0x7fff_ffff;
                    let payload = self.unread.drain(..9 + length).skip(9).collect();
                    return Ok(Some(Frame { kind, flags, stream, payload }));
                }
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => self.unread.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until it is clear what came of this stream. Settings and pings are acknowledged.
    ///
    /// # Panics
    /// Where nothing comes for long.
    #[track_caller]
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        let (mut status, mut body, mut told) = (0, Vec::new(), None);
        while let Some(frame) = self.next().expect("nothing came for this stream") {
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => drop(self.send(SETTINGS, ACK, 0, &[])),
                PING if frame.flags & ACK == 0 => drop(self.send(PING, ACK, 0, &frame.payload)),
                GOAWAY => told = Some(number(&frame.payload[4..8])),
                RST_STREAM if frame.stream == stream => {
                    return Outcome::Reset(number(&frame.payload));
                }
                HEADERS if frame.stream == stream => status = status_of(&frame.payload),
                DATA if frame.stream == stream => body.extend_from_slice(&frame.payload),
                _ => continue,
            }
            let is_of_stream = frame.stream == stream && matches!(frame.kind, HEADERS | DATA);
            if is_of_stream && frame.flags & END_STREAM != 0 {
                return Outcome::Answer(status, body);
            }
        }
        told.map_or(Outcome::Closed, Outcome::GoAway)
    }
}

/// The bytes of one frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Literal fields that nobody keeps (RFC 7541 section 6.2.2), not compressed.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// RFC 7541 section 5.1, with a prefix of seven bits.
fn integer(block: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return block.push(value as u8);
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// `:status` comes first: from the static table (RFC 7541 appendix A), or as three digits.
fn status_of(block: &[u8]) -> u16 {
    // A change of the table's size may stand before it.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap_or(0);
    let block = &block[start..];
    match block[0] {
        byte @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(byte - 0x88)],
        0x08 | 0x18 | 0x48 => digits(block[1], &block[2..]),
        other => panic!("no status: {other:#x}"),
    }
}

/// RFC 7541 appendix B: 0, 1 and 2 have five bits, the other digits six.
fn digits(length: u8, bytes: &[u8]) -> u16 {
    let bytes = &bytes[..usize::from(length & 0x7f)];
    if length & 0x80 == 0 {
        return str::from_utf8(bytes).unwrap().parse().unwrap();
    }
    let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut status) = (8 * bytes.len(), 0);
    for _ in 0..3 {
        let five = bits >> (left - 5) & 0x1f;
        let (digit, used) =
            if five < 3 { (five, 5) } else { ((bits >> (left - 6) & 0x3f) - 0x19 + 3, 6) };
        (status, left) = (status * 10 + digit, left - used);
    }
    status.try_into().unwrap()
}

#[test]
fn frames_and_fields_are_as_the_rfc_has_them() {
    assert_eq!(frame(PING, ACK, 0, b"12345678"), b"\0\0\x08\x06\x01\0\0\0\x0012345678");
    assert_eq!(block(&[(b"a", b"b")]), b"\0\x01a\x01b");
    let mut long = Vec::new();
    integer(&mut long, 1337);
    assert_eq!(long, [127, 186, 9]);
    for (block, status) in [
        (&[0x88][..], 200),
        (&[0x8d], 404),
        (&[0x20, 0x8c], 400),
        (&[0x08, 0x03, b'4', b'0', b'5'], 405),
        // 302 (RFC 7541 section C.6.1), 307 (section C.6.2).
        (&[0x48, 0x82, 0x64, 0x02], 302),
        (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
    ] {
        assert_eq!(status_of(block), status);
    }
}
