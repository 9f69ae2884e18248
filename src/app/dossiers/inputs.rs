//! What of a request a dossier has, and how that is read again. What lets its finder in is never written: what the access
//! log redacts, credentials and cookies.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::config::function::{Bound, Source};
use crate::ffi::request::Request;
use crate::ffi::value::Value;
use crate::layer::access::redact::Redaction;

/// Headers that tell of the client's program, not of the client.
const HARMLESS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-request-id",
];
/// Headers that are never written.
const CREDENTIALS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

/// Decides what is written.
pub struct Redactor {
    secrets: Redaction,
    is_whole: bool,
}

/// A request as a handler was given it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is what HTTP calls so")]
pub struct Handed {
    pub method: String,
    pub path: String,
    pub query: String,
    pub peer: String,
    /// Names, and values as [`shown`].
    pub headers: Vec<(String, Json)>,
    pub params: Vec<(String, String)>,
    /// As [`shown`].
    pub body: Json,
}

impl Redactor {
    /// `secrets` are what the access log does not write; all else is written where it is to be `whole`.
    #[must_use]
    pub fn new(secrets: Redaction, is_whole: bool) -> Self {
        Self { secrets, is_whole }
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self, target: &str) -> String {
        self.secrets.url(target).into_owned()
    }

    /// The values of a function by the names of their parameters; constants stand in the configuration.
    #[must_use]
    pub fn arguments(&self, bound: &Bound, values: &[Value]) -> Map<String, Json> {
        let given =
            bound.inputs.iter().zip(values).filter(|(input, _)| {
                !matches!(input.source, Source::Constant(_) | Source::RequestId)
            });
        given
            .map(|(input, value)| (input.parameter.clone(), self.argument(&input.source, value)))
            .collect()
    }

    fn argument(&self, source: &Source, value: &Value) -> Json {
        let is_secret = self.is_secret(source);
        let is_logged = matches!(source, Source::Query(_) | Source::Path(_));
        match value {
            Value::Bytes(bytes) if is_secret || !(self.is_whole || is_logged) => redacted(bytes),
            Value::Bytes(bytes) => shown(bytes),
            _ if is_secret => redacted(&[]),
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Uint(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Null | Value::Void => Json::Null,
        }
    }

    fn is_secret(&self, source: &Source) -> bool {
        match source {
            Source::Cookie(_) => true,
            Source::Header(name) => CREDENTIALS.contains(&name.as_str()),
            Source::Query(name) | Source::Form(name) => self.secrets.is_secret(name),
            Source::Json(pointer) => {
                pointer.rsplit('/').next().is_some_and(|name| self.secrets.is_secret(name))
            }
            Source::Body | Source::Path(_) | Source::RequestId | Source::Constant(_) => false,
        }
    }

    /// A handler's request.
    #[must_use]
    pub fn request(&self, request: &Request) -> Handed {
        let header = |(name, value): &(Vec<u8>, Vec<u8>)| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let is_secret = CREDENTIALS.contains(&name.as_str());
            let value = match name.as_str() {
                "referer" => shown(self.target(&String::from_utf8_lossy(value)).as_bytes()),
                _ if !is_secret && (self.is_whole || HARMLESS.contains(&name.as_str())) => {
                    shown(value)
                }
                _ => redacted(value),
            };
            (name, value)
        };
        Handed {
            method: request.method.clone(),
            path: request.path.clone(),
            query: self.secrets.query(&request.query).into_owned(),
            peer: request.peer.clone(),
            headers: request.headers.iter().map(header).collect(),
            params: request.params.clone(),
            body: match () {
                () if request.is_streamed => json!({ "streamed": true }),
                () if self.is_whole || request.body.is_empty() => shown(&request.body),
                () => redacted(&request.body),
            },
        }
    }
}

/// Text as it is, other bytes in hexadecimal.
fn shown(bytes: &[u8]) -> Json {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": digits })
        }
    }
}

/// Only how long it was.
fn redacted(bytes: &[u8]) -> Json {
    json!({ "redacted": bytes.len() })
}

/// What was written, as bytes: numbers as they are written. `None`: it is not there.
#[must_use]
pub fn bytes(written: &Json) -> Option<Vec<u8>> {
    match written {
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Number(number) => Some(number.to_string().into_bytes()),
        Json::Bool(value) => Some(value.to_string().into_bytes()),
        Json::Object(object) => hex(object.get("hex")?.as_str()?),
        Json::Null | Json::Array(_) => None,
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::function::Entry;

    const CONFIG: &str = r#"listen = ":0"
[functions.f]
library = "./f.so"
prototype = "int f(int n, const char *q, const char *token, const char *c, const char *h, const uint8_t *in, size_t len, int k, const char *id, const char *p)"
arguments = { n = { json = "/n" }, q = { query = "q" }, token = { query = "token" }, c = { cookie = "c" }, h = { header = "x-h" }, in = { json = "/in" }, len = { len = "in" }, k = 5, id = "request_id", p = { json = "/a/password" } }
[[routes]]
path = "/"
call = "f"
"#;

    fn redactor(is_whole: bool) -> Redactor {
        Redactor::new(Redaction::new(vec!["token".into(), "password".into()]), is_whole)
    }

    fn arguments(is_whole: bool) -> Json {
        let config = crate::config::parse(CONFIG, "f.toml".as_ref(), &|_| None).unwrap();
        let Entry::Function(bound) = &config.functions[0].entry else { panic!("no function") };
        let text = |text: &str| Value::Bytes(text.into());
        let values: Vec<Value> = bound
            .inputs
            .iter()
            .map(|input| match input.parameter.as_str() {
                "n" => Value::Int(-7),
                "k" => Value::Int(5),
                "in" => Value::Bytes(vec![0xff, 0]),
                name => text(name),
            })
            .collect();
        Json::Object(redactor(is_whole).arguments(bound, &values))
    }

    #[test]
    fn arguments_are_redacted_by_where_they_come_from() {
        let secrets = json!({
            "n": -7, "q": "q", "token": { "redacted": 5 }, "c": { "redacted": 1 },
            "h": { "redacted": 1 }, "in": { "redacted": 2 }, "p": { "redacted": 1 },
        });
        assert_eq!(arguments(false), secrets);
        let whole = json!({
            "n": -7, "q": "q", "token": { "redacted": 5 }, "c": { "redacted": 1 },
            "h": "h", "in": { "hex": "ff00" }, "p": { "redacted": 1 },
        });
        assert_eq!(arguments(true), whole);
    }

    #[test]
    fn a_request_is_redacted_as_the_access_log_is() {
        let header =
            |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let request = Request {
            method: "POST".into(),
            path: "/p".into(),
            query: "a=1&token=x".into(),
            headers: vec![
                header("Host", "h"),
                header("authorization", "Bearer x"),
                header("referer", "/?token=x"),
                header("x-tenant", "blue"),
            ],
            body: b"secret".to_vec(),
            ..Request::default()
        };
        let handed = redactor(false).request(&request);
        assert_eq!((handed.path.as_str(), handed.query.as_str()), ("/p", "a=1&token=[redacted]"));
        assert_eq!(handed.body, json!({ "redacted": 6 }));
        let headers: Vec<_> = handed.headers.iter().map(|(_, value)| value.clone()).collect();
        let gone = |length: usize| json!({ "redacted": length });
        assert_eq!(headers, [json!("h"), gone(8), json!("/?token=[redacted]"), gone(4)]);
        let whole = redactor(true).request(&request);
        assert_eq!((whole.body, &whole.headers[3].1), (json!("secret"), &json!("blue")));
        assert_eq!(whole.headers[1].1, gone(8), "credentials never");
        let streamed = redactor(true).request(&Request { is_streamed: true, ..request });
        assert_eq!(bytes(&streamed.body), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for original in [&b"text"[..], b"", b"\xff\x00\x10", "\u{e9}".as_bytes()] {
            assert_eq!(bytes(&shown(original)).unwrap(), original);
        }
        for (written, read) in [
            (json!(-7), Some("-7")),
            (json!(1.5), Some("1.5")),
            (json!(true), Some("true")),
            (json!(null), None),
            (json!([1]), None),
            (redacted(b"x"), None),
            (json!({ "hex": "zz" }), None),
            (json!({ "hex": "0\u{e9}" }), None),
        ] {
            assert_eq!(bytes(&written), read.map(|text| text.as_bytes().to_vec()), "{written}");
        }
    }
}
