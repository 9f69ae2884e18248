//! `redirect = { … }`: sends the client elsewhere. Its host is written in the file or the request's own, never made of a path.

use std::future::{Ready, ready};
use std::sync::Arc;

use http::HeaderValue;
use http::header::{HOST, LOCATION};
use http::request::Parts as Head;
use tower::Service;

use crate::config::{self, Piece};
use crate::handler::target::{filled, tidy, without_port};
use crate::handler::{Body, Error, Request, Response};

/// Answers with a `Location`.
#[derive(Clone)]
pub struct Redirect {
    to: Arc<config::Redirect>,
    /// Pieces that stand before the path.
    origin: usize,
}

impl Redirect {
    /// As configured.
    #[must_use]
    pub fn new(to: Arc<config::Redirect>) -> Self {
        let is_path = |piece: &Piece| match piece {
            Piece::Text(text) => text.starts_with(['/', '?', '#']),
            Piece::Host => false,
            Piece::Path | Piece::Segment(_) | Piece::Rest(_) => true,
        };
        let origin = to.to.iter().position(is_path).unwrap_or(to.to.len());
        Self { to, origin }
    }

    fn location(&self, head: &Head) -> Result<HeaderValue, Error> {
        let (origin, target) = self.to.to.split_at(self.origin);
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(without_port);
        if host.is_none() && origin.contains(&Piece::Host) {
            return Err(Error::BadRequest("no Host header: the redirect needs one"));
        }
        let path = head.uri.path();
        let mut location = filled(origin, path, host);
        let target = filled(target, path, host);
        let (path, written) = target.split_at(target.find(['?', '#']).unwrap_or(target.len()));
        location.push_str(&tidy(path)?);
        if let (Some(query), true) = (head.uri.query(), self.to.keeps_query) {
            location.push('?');
            location.push_str(query);
        }
        location.push_str(written);
        HeaderValue::from_str(&location).map_err(|_| Error::BadRequest("the target is no URL"))
    }
}

impl Service<Request> for Redirect {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response, Error>>;

    always_ready!();

    fn call(&mut self, request: Request) -> Self::Future {
        ready(self.location(&request.head).map(|location| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = self.to.status;
            response.headers_mut().insert(LOCATION, location);
            response
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(to: Vec<Piece>, keeps_query: bool, target: &str) -> Result<String, Error> {
        let status = http::StatusCode::PERMANENT_REDIRECT;
        let redirect = config::Redirect { written: String::new(), to, keeps_query, status };
        let request = http::Request::get(target).header("host", "h.example:8080").body(()).unwrap();
        let location = Redirect::new(Arc::new(redirect)).location(&request.into_parts().0);
        location.map(|location| location.to_str().unwrap().to_owned())
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn the_query_goes_along_unless_one_is_written() {
        let https = || vec![text("https://"), Piece::Host, Piece::Path];
        assert_eq!(location(https(), true, "/a/b?c=d").unwrap(), "https://h.example/a/b?c=d");
        let login = || vec![text("https://"), text("id.example"), text("/login?from=a#top")];
        assert_eq!(location(login(), false, "/?x").unwrap(), "https://id.example/login?from=a#top");
        let hash = || vec![text("/a#top")];
        assert_eq!(location(hash(), true, "/?x").unwrap(), "/a?x#top");
    }

    #[test]
    fn a_path_stays_a_path() {
        let rest = || vec![text("/"), Piece::Rest(1), text("/x")];
        assert_eq!(location(rest(), true, "/f/").unwrap(), "/x");
        assert_eq!(location(rest(), true, "/f/%2Fevil.example").unwrap(), "/%2Fevil.example/x");
    }
}
