//! The request as it is lent to C: strings with a NUL at their end, in one place for as long as the handler runs.

use std::ffi::{CStr, CString};

use crate::ffi::abi::Text;
use crate::wire::Request;

/// A NUL where C would take it for the end.
#[derive(Debug, thiserror::Error)]
#[error("the request's {0} holds a NUL")]
pub(in crate::worker) struct RequestError(&'static str);

/// A request in C's terms.
#[derive(Debug)]
pub(super) struct Lent {
    method: CString,
    path: CString,
    query: CString,
    id: CString,
    peer: CString,
    headers: Vec<(CString, CString)>,
    params: Vec<(CString, CString)>,
}

impl Lent {
    pub(super) fn new(request: Request) -> Result<Self, RequestError> {
        let Request { id, method, path, query, peer, headers, params, .. } = request;
        Ok(Self {
            method: owned("method", method)?,
            path: owned("path", path)?,
            query: owned("query", query)?,
            id: owned("id", id)?,
            peer: owned("peer", peer)?,
            headers: pairs("header", headers)?,
            params: pairs("path parameter", params)?,
        })
    }

    pub(super) fn text(&self, which: Text) -> &CStr {
        match which {
            Text::Method => &self.method,
            Text::Path => &self.path,
            Text::Query => &self.query,
            Text::RequestId => &self.id,
            Text::Peer => &self.peer,
        }
    }

    pub(super) fn header(&self, name: &[u8]) -> Option<&CStr> {
        first(&self.headers, |known| known.eq_ignore_ascii_case(name))
    }

    pub(super) fn header_at(&self, index: usize) -> Option<(&CStr, &CStr)> {
        self.headers.get(index).map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn param(&self, name: &[u8]) -> Option<&CStr> {
        first(&self.params, |known| known == name)
    }
}

fn owned(what: &'static str, text: impl Into<Vec<u8>>) -> Result<CString, RequestError> {
    CString::new(text).map_err(|_| RequestError(what))
}

fn pairs<T: Into<Vec<u8>>>(
    what: &'static str,
    pairs: Vec<(T, T)>,
) -> Result<Vec<(CString, CString)>, RequestError> {
    pairs.into_iter().map(|(name, value)| Ok((owned(what, name)?, owned(what, value)?))).collect()
}

fn first(pairs: &[(CString, CString)], is_it: impl Fn(&[u8]) -> bool) -> Option<&CStr> {
    pairs.iter().find(|(name, _)| is_it(name.to_bytes())).map(|(_, value)| &**value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent() -> Lent {
        let header = |name: &str, value: &str| (name.into(), value.into());
        let headers = vec![header("host", "a"), header("x-a", "1"), header("X-A", "2")];
        let params = vec![("id".into(), "7".into())];
        let peer = "127.0.0.1:1".into();
        let request = Request { peer, headers, params, ..Request::default() };
        Lent::new(request).unwrap()
    }

    #[test]
    fn names_of_headers_have_no_case_and_those_of_params_do() {
        let lent = lent();
        assert_eq!(lent.header(b"X-a"), Some(c"1"));
        assert_eq!(lent.header(b"x-b"), None);
        assert_eq!(lent.header_at(2), Some((c"X-A", c"2")));
        assert_eq!(lent.header_at(3), None);
        assert_eq!(lent.param(b"id"), Some(c"7"));
        assert_eq!(lent.param(b"ID"), None);
        assert_eq!((lent.text(Text::Peer), lent.text(Text::Query)), (c"127.0.0.1:1", c""));
    }

    #[test]
    fn a_nul_is_refused() {
        let headers = vec![(b"x".to_vec(), b"a\0b".to_vec())];
        let error = Lent::new(Request { headers, ..Request::default() }).unwrap_err();
        assert_eq!(error.to_string(), "the request's header holds a NUL");
    }
}
