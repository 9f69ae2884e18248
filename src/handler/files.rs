//! `files = { … }`: the files of a folder, by GET and HEAD, read on threads that may block. Nothing whose name begins with
//! a dot is there; symbolic links are followed, as nginx does.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, LOCATION};
use http::request::Parts as Head;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tower::Service;
use tower_http::services::ServeDir;

use crate::config::{self, Rewrite};
use crate::handler::body::Cut;
use crate::handler::target::{rewritten, with_path};
use crate::handler::{Answering, Body, Error, Request, Response};

/// The one name with a dot that the web itself looks for (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Serves one folder.
#[derive(Clone)]
pub struct Files {
    shared: Arc<Shared>,
}

struct Shared {
    files: Arc<config::Files>,
    rewrite: Option<Rewrite>,
    folder: ServeDir,
}

impl Files {
    /// Of `files`, at the path that `rewrite` makes of the request's.
    #[must_use]
    pub fn new(files: Arc<config::Files>, rewrite: Option<Rewrite>) -> Self {
        let folder = ServeDir::new(&files.root)
            .append_index_html_on_directories(files.index.is_some())
            .ignore_multi_range_requests(true);
        let folder = match files.precompressed {
            true => folder.precompressed_br().precompressed_zstd().precompressed_gzip(),
            false => folder,
        };
        Self { shared: Arc::new(Shared { files, rewrite, folder }) }
    }
}

impl Service<Request> for Files {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.answer(request.head).await })
    }
}

impl Shared {
    async fn answer(&self, head: Head) -> Result<Response, Error> {
        if ![Method::GET, Method::HEAD].contains(&head.method) {
            return Err(Error::FileMethod);
        }
        let asked = head.uri.clone();
        let local = match &self.rewrite {
            Some(rewrite) => rewritten(&asked, rewrite)?,
            None => asked.clone(),
        };
        if is_hidden(local.path()) {
            return Err(Error::NoFile);
        }
        let stands_for_prefix = matches!(self.rewrite, Some(Rewrite::Prefix { .. }));
        if stands_for_prefix && local.path() == "/" && !asked.path().ends_with('/') {
            return into_folder(&asked);
        }
        let mut head = head;
        head.uri = self.indexed(local)?;
        let request = http::Request::from_parts(head, Empty::<Bytes>::new());
        let answer = self.folder.clone().try_call(request).await.map_err(|error| unread(&error))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Err(Error::NoFile),
            StatusCode::TEMPORARY_REDIRECT => into_folder(&asked),
            _ => {
                let length = length(answer.headers());
                Ok(self.dressed(answer.map(|body| Body::stream(body.map_err(|_| Cut), length))))
            }
        }
    }

    /// The index of a folder by its own name: `ServeDir` knows `index.html` only.
    fn indexed(&self, local: Uri) -> Result<Uri, Error> {
        match &self.files.index {
            Some(index) if local.path().ends_with('/') => {
                let name = utf8_percent_encode(index, NON_ALPHANUMERIC);
                with_path(&local, format!("{}{name}", local.path()))
            }
            _ => Ok(local),
        }
    }

    fn dressed(&self, mut answer: Response) -> Response {
        let is_file = answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED;
        if let (Some(value), true) = (&self.files.cache_control, is_file) {
            answer.headers_mut().insert(CACHE_CONTROL, value.clone());
        }
        answer
    }
}

/// What is no file for this client is none; what is wrong with this machine is not the client's fault.
fn unread(error: &io::Error) -> Error {
    use io::ErrorKind::{
        InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
    };
    match error.kind() {
        NotFound | NotADirectory | PermissionDenied | InvalidFilename | InvalidInput
        | IsADirectory => Error::NoFile,
        _ => {
            tracing::warn!("a file cannot be read: {error}");
            Error::Internal("a file cannot be read")
        }
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// As the file system will read it: `%2F` is a slash by then.
fn is_hidden(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut segments = decoded.split('/').skip(1).enumerate();
    segments.any(|(place, name)| name.starts_with('.') && (place, name) != (0, WELL_KNOWN))
}

/// A folder is asked for with its slash, so that the links of its index hold.
fn into_folder(asked: &Uri) -> Result<Response, Error> {
    let there = with_path(asked, format!("{}/", asked.path()))?;
    let there = there.path_and_query().map_or("/", |there| there.as_str());
    let location = HeaderValue::from_str(there).map_err(|_| Error::NoFile)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_dot_are_not_there() {
        for path in
            ["/.env", "/a/.git/config", "/a%2F.env", "/%2Eenv", "/.", "/a/..b", "/x/.well-known/y"]
        {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["/", "/a", "/a.b/c.d", "/.well-known/acme-challenge/x", "/a%2Fb"] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
