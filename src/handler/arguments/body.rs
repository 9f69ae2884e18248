//! A request's body as arguments are taken from it: whole, a field of a form, a place in JSON. Parsed when first asked for.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::Value as Json;

use super::pairs;
use crate::config::function::Target;
use crate::ffi::value::{Scalar, Value};

const FORM: &str = "application/x-www-form-urlencoded";

/// A body, and what it was read as.
pub(super) struct Read<'a> {
    head: &'a Parts,
    bytes: Bytes,
    json: Option<Json>,
}

impl<'a> Read<'a> {
    pub(super) fn new(head: &'a Parts, bytes: Bytes) -> Self {
        Self { head, bytes, json: None }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A field of a form. A body that says that it is something else is refused.
    pub(super) fn form(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let media = self.head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let media = media.map(|value| value.split(|byte| *byte == b';').next().unwrap_or_default());
        match media {
            Some(media) if !media.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes()) => {
                Err(format!("the body is not {FORM}"))
            }
            _ => Ok(pairs::field(&self.bytes, name)),
        }
    }

    /// What a JSON Pointer finds, as the function takes it; `null` counts as nothing.
    pub(super) fn json(&mut self, pointer: &str, target: Target) -> Result<Option<Value>, String> {
        let parsed = match self.json.take() {
            Some(parsed) => parsed,
            None => serde_json::from_slice(&self.bytes)
                .map_err(|problem| format!("the body is not JSON: {problem}"))?,
        };
        let json = self.json.insert(parsed);
        match json.pointer(pointer) {
            None | Some(Json::Null) => Ok(None),
            Some(found) => self::value(found, target).map(Some),
        }
    }
}

/// Types are not converted: `"7"` is no number.
fn value(json: &Json, target: Target) -> Result<Value, String> {
    match (target, json) {
        (Target::Bytes, Json::String(text)) => Ok(Value::Bytes(text.clone().into_bytes())),
        (Target::Text, Json::String(text)) if text.contains('\0') => {
            Err("a string must not contain NUL".to_owned())
        }
        (Target::Text, Json::String(text)) => Ok(Value::Bytes(text.clone().into_bytes())),
        (Target::Text | Target::Bytes, _) => Err("must be a string".to_owned()),
        (Target::Scalar(Scalar::Bool), Json::Bool(value)) => Ok(Value::Bool(*value)),
        (Target::Scalar(scalar), Json::Number(number)) if scalar != Scalar::Bool => {
            scalar.parse(&number.to_string()).map_err(|problem| problem.to_string())
        }
        (Target::Scalar(scalar), _) => Err(scalar
            .parse("")
            .map_or_else(|problem| problem.to_string(), |value| value.to_json())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str, pointer: &str, target: Target) -> Result<Option<Value>, String> {
        let (head, ()) = http::Request::get("/").body(()).unwrap().into_parts();
        Read::new(&head, body.to_owned().into()).json(pointer, target)
    }

    #[test]
    fn json_is_taken_as_it_is_typed() {
        let (int, byte) = (Target::Scalar(Scalar::I32), Target::Scalar(Scalar::U8));
        let (flag, float) = (Target::Scalar(Scalar::Bool), Target::Scalar(Scalar::F64));
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        for (body, pointer, target, expected) in [
            ("{\"a\":{\"b\":7}}", "/a/b", int, Ok(Some(Value::Int(7)))),
            ("[1,[2,3]]", "/1/0", byte, Ok(Some(Value::Uint(2)))),
            ("7", "", int, Ok(Some(Value::Int(7)))),
            ("{\"a/b\":1,\"~\":2}", "/a~1b", int, Ok(Some(Value::Int(1)))),
            ("{\"a\":null}", "/a", int, Ok(None)),
            ("{}", "/a", int, Ok(None)),
            ("{\"a\":\"7\"}", "/a", int, Err("must be a whole number")),
            ("{\"a\":7.5}", "/a", int, Err("must be a whole number")),
            ("{\"a\":256}", "/a", byte, Err("must be a whole number from 0 to 255")),
            ("{\"a\":1e2}", "/a", float, Ok(Some(Value::Float(100.0)))),
            ("{\"a\":3}", "/a", float, Ok(Some(Value::Float(3.0)))),
            ("{\"a\":true}", "/a", flag, Ok(Some(Value::Bool(true)))),
            ("{\"a\":1}", "/a", flag, Err("must be true or false")),
            ("{\"a\":\"x\"}", "/a", Target::Text, Ok(Some(text("x")))),
            ("{\"a\":\"x\\u0000\"}", "/a", Target::Text, Err("a string must not contain NUL")),
            ("{\"a\":\"x\\u0000\"}", "/a", Target::Bytes, Ok(Some(text("x\0")))),
            ("{\"a\":[1]}", "/a", Target::Text, Err("must be a string")),
            ("{", "/a", int, Err("the body is not JSON: ")),
            ("", "/a", int, Err("the body is not JSON: ")),
        ] {
            let found = found(body, pointer, target);
            match (&found, &expected) {
                (Err(problem), Err(start)) => {
                    assert!(problem.starts_with(start), "{body}: {problem}")
                }
                _ => assert_eq!(found, expected.map_err(str::to_owned), "{body} {pointer}"),
            }
        }
        let deep = "[".repeat(100_000);
        assert!(self::found(&deep, "", int).unwrap_err().contains("recursion limit"));
    }
}
