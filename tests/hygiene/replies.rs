//! What came back on a connection, read as strictly as its requests are.

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Its body ended as its framing says.
    pub is_whole: bool,
}

impl Reply {
    /// The only value of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "more than one {name}: {:?}", self.headers);
        first
    }

    /// Of a problem (RFC 9457), "" where it is none.
    pub fn reason(&self) -> String {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(&self.body);
        json.ok().and_then(|json| Some(json["reason"].as_str()?.to_owned())).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// All answers to requests that are not HEAD; interim ones are passed over.
pub fn read(mut bytes: &[u8]) -> Result<Vec<Reply>, String> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let (reply, used) = one(bytes)?;
        bytes = &bytes[used..];
        if reply.status >= 200 || reply.status == 101 {
            replies.push(reply);
        }
    }
    Ok(replies)
}

fn one(bytes: &[u8]) -> Result<(Reply, usize), String> {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(shown)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status: u16 = status.ok_or_else(shown)?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(shown)?;
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new(), is_whole: true };
    let used = body(&mut reply, &bytes[end + 4..])?;
    Ok((reply, end + 4 + used))
}

fn body(reply: &mut Reply, rest: &[u8]) -> Result<usize, String> {
    let length = reply.header("content-length").map(str::to_owned);
    match (length, reply.header("transfer-encoding")) {
        _ if reply.status < 200 || matches!(reply.status, 204 | 304) => Ok(0),
        (Some(_), Some(_)) => Err(format!("two framings: {reply:?}")),
        (Some(length), None) => {
            let length: usize = length.parse().map_err(|_| format!("no length: {length}"))?;
            let used = length.min(rest.len());
            reply.is_whole = used == length;
            reply.body = rest[..used].to_vec();
            Ok(used)
        }
        (None, Some("chunked")) => chunks(reply, rest),
        (None, Some(other)) => Err(format!("the coding {other}")),
        (None, None) => {
            reply.body = rest.to_vec();
            Ok(rest.len())
        }
    }
}

fn chunks(reply: &mut Reply, rest: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    while let Some(line) = rest[at..].windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[at..at + line]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("no size: {size:?}"))?;
        at += line + 2;
        let Some(data) = rest.get(at..at + size + 2) else { break };
        if &data[size..] != b"\r\n" {
            return Err(format!("a chunk without its end: {:?}", String::from_utf8_lossy(data)));
        }
        reply.body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(at);
        }
    }
    reply.is_whole = false;
    Ok(rest.len())
}
