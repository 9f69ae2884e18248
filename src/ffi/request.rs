//! What one call is given: values for a function's parameters, or a whole request for a handler.

use crate::ffi::value::Value;

/// The input of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// One value for each taken slot, in slot order.
    Values(Vec<Value>),
    /// A request for a handler.
    Request(Request),
}

/// A request as a handler of the C ABI sees it. Strings hold no NUL.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Request {
    pub id: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub peer: String,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub params: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body follows in pieces.
    pub is_streamed: bool,
}
