//! The app of the demo: HTTP on one event loop, with a handler that calls a C function on the loop itself,
//! as `ctypes` does under gevent or asyncio. While it blocks, nobody is answered.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::DemoError;
use crate::ffi::library::Library;

/// Serves on a free port of the loopback, for ever.
///
/// # Errors
/// [`DemoError::Listen`], [`DemoError::Output`].
pub async fn serve(library: Library) -> Result<(), DemoError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(DemoError::Listen)?;
    announce(&listener).map_err(DemoError::Output)?;
    let library = Arc::new(library);
    loop {
        let (stream, _) = listener.accept().await.map_err(DemoError::Listen)?;
        stream.set_nodelay(true).map_err(DemoError::Listen)?;
        tokio::spawn(converse(stream, Arc::clone(&library)));
    }
}

fn announce(listener: &TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening app http://{address}\nready")?;
    out.flush()
}

async fn converse(stream: TcpStream, library: Arc<Library>) {
    let service = service_fn(|request: Request<_>| {
        let response = answer(request.uri().path(), &library);
        async { Ok::<_, Infallible>(response) }
    });
    let _client_left = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(path: &str, library: &Library) -> Response<Full<Bytes>> {
    match path {
        "/sleep" => match library.call_if_present("main") {
            Some(returned) => text(StatusCode::OK, format!("{returned}\n")),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, "the library has no main\n".into()),
        },
        "/fast" => text(StatusCode::OK, "fast\n".into()),
        _ => text(StatusCode::NOT_FOUND, "this app has /sleep and /fast\n".into()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_answer() {
        let library = Library::open(b"libc.so.6").unwrap();
        for (path, status) in [("/fast", 200), ("/", 404), ("/sleep", 500)] {
            assert_eq!(answer(path, &library).status(), status, "{path}");
        }
    }
}
