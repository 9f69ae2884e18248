//! `files`: a folder as a client sees it, and what it cannot reach.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::support::http::{self, Connection, Response};
use crate::support::{Cofferdam, quiet};

/// A folder with a file beside it that nobody is to see.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("secret.txt", "secret\n");
    write("public/index.html", "<p>home</p>\n");
    write("public/hello.txt", "0123456789");
    write("public/sp ace/caf\u{e9}.txt", "coffee\n");
    write("public/sub/index.html", "<p>sub</p>\n");
    write("public/bare/note.md", "note\n");
    write("public/.env", "hidden\n");
    write("public/.git/config", "hidden\n");
    write("public/.well-known/acme-challenge/token", "challenge\n");
    write("public/app.js", "let plain;\n");
    write("public/app.js.gz", "packed");
    symlink("../secret.txt", folder.path().join("public/link.txt")).unwrap();
    folder
}

fn serve(folder: &Path, more: &str) -> Cofferdam {
    let root = folder.join("public");
    Cofferdam::start(&format!(
        "[[routes]]\nname = \"files\"\nprefix = \"/static\"\nfiles = {{ root = \"{}\"{more} }}\n",
        root.display()
    ))
}

fn with(cofferdam: &Cofferdam, path: &str, headers: &[(&str, &str)]) -> Response {
    http::request(cofferdam.addr(), "GET", path, headers, b"")
}

#[test]
fn a_file_is_what_lies_at_its_path() {
    let folder = folder();
    let cofferdam = serve(folder.path(), ", cache_control = \"max-age=60\"");
    for (path, text, kind) in [
        ("/static/hello.txt", "0123456789", "text/plain"),
        ("/static/sub/", "<p>sub</p>\n", "text/html"),
        ("/static/", "<p>home</p>\n", "text/html"),
        ("/static/sp%20ace/caf%c3%a9.txt", "coffee\n", "text/plain"),
        ("/static//sub/../hello.txt?any=query", "0123456789", "text/plain"),
        ("/static/.well-known/acme-challenge/token", "challenge\n", "application/octet-stream"),
        // As nginx does: who may write there may publish.
        ("/static/link.txt", "secret\n", "text/plain"),
        ("/static/app.js", "let plain;\n", "text/javascript"),
    ] {
        let answer = with(&cofferdam, path, &[("accept-encoding", "gzip")]);
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
        assert_eq!(answer.header("content-length"), Some(text.len().to_string().as_str()));
    }
    let head = http::request(cofferdam.addr(), "HEAD", "/static/hello.txt", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(cofferdam.metric("cofferdam_http_requests_aborted_total", &[]), 0.0);
}

#[test]
fn what_is_not_there_is_a_404_that_says_so() {
    let folder = folder();
    let cofferdam = serve(folder.path(), "");
    for path in [
        "/static/nothing",
        "/static/hello.txt/",
        "/static/hello.txt/x",
        "/static/bare/",
        "/static/.env",
        "/static/%2eenv",
        "/static/.git/config",
        "/static/sub%2F..%2F.env",
        "/static/a%2F.env",
        "/static/%2e%2e%2fsecret.txt",
        "/static/..%2fsecret.txt",
        "/static/%ff",
        "/static/secret.txt",
        "/static/hello.txt.gz",
    ] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.status, answer.reason().as_str()), (404, "no_file"), "{path}");
        assert!(!answer.text().contains("public"), "{}", answer.text());
    }
    for path in ["/static/../secret.txt", "/staticx", "/secret.txt"] {
        assert_eq!(cofferdam.get(path).reason(), "no_route", "{path}");
    }
    for path in ["/static/..%5csecret.txt", "/static/a%00", "/static%2Fhello.txt"] {
        assert_eq!(cofferdam.get(path).reason(), "bad_request", "{path}");
    }
    let labels = [("route", "files"), ("reason", "no_file")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 14.0);
}

#[test]
fn a_folder_is_asked_for_with_its_slash() {
    let folder = folder();
    let cofferdam = serve(folder.path(), "");
    for (path, expected) in [
        ("/static", "/static/"),
        ("/static?q", "/static/?q"),
        ("/static/sub", "/static/sub/"),
        ("/static//sub?a=b", "/static/sub/?a=b"),
    ] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.status, answer.header("location")), (307, Some(expected)), "{path}");
    }
}

#[test]
fn only_get_and_head_read() {
    let folder = folder();
    let cofferdam = serve(folder.path(), "");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = http::request(cofferdam.addr(), method, "/static/hello.txt", &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn parts_and_conditions() {
    let folder = folder();
    let cofferdam = serve(folder.path(), "");
    let whole = cofferdam.get("/static/hello.txt");
    let tag = whole.header("etag").unwrap();
    let modified = whole.header("last-modified").unwrap();
    for (range, status, text, content_range) in [
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("bytes=20-", 416, "", Some("bytes */10")),
        ("bytes=0-1,4-5", 200, "0123456789", None),
    ] {
        let answer = with(&cofferdam, "/static/hello.txt", &[("range", range)]);
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
    }
    for (name, value, status) in [
        ("if-none-match", tag, 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", modified, 304),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:01 GMT", 412),
    ] {
        let answer = with(&cofferdam, "/static/hello.txt", &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}

#[test]
fn an_index_and_what_is_packed_beforehand_are_chosen() {
    let folder = folder();
    let cofferdam = serve(folder.path(), ", index = \"note.md\", precompressed = true");
    assert_eq!(cofferdam.get("/static/bare/").text(), "note\n");
    assert_eq!(cofferdam.get("/static/sub/").status, 404);
    let packed = with(&cofferdam, "/static/app.js", &[("accept-encoding", "br, gzip")]);
    assert_eq!(
        (packed.header("content-encoding"), packed.text().as_str()),
        (Some("gzip"), "packed")
    );
    assert!(packed.header("vary").unwrap().eq_ignore_ascii_case("accept-encoding"));
    assert!(packed.header("content-type").unwrap().starts_with("text/javascript"));
    assert_eq!(cofferdam.get("/static/app.js").text(), "let plain;\n");

    let cofferdam = serve(folder.path(), ", index = \"off\"");
    for path in ["/static/", "/static/sub/", "/static/sub"] {
        assert_eq!(cofferdam.get(path).reason(), "no_file", "{path}");
    }
}

#[test]
fn one_file_may_answer_for_any_path() {
    let folder = folder();
    let root = folder.path().join("public");
    let cofferdam = Cofferdam::start(&format!(
        "[[routes]]\npath = \"/app/{{*view}}\"\nrewrite = \"/hello.txt\"\nfiles = {{ root = \"{0}\" }}\n\
         [[routes]]\npath = \"/sub/{{name}}\"\nfiles = {{ root = \"{0}\" }}\n",
        root.display()
    ));
    assert_eq!(cofferdam.get("/app/any/view").text(), "0123456789");
    assert_eq!(cofferdam.get("/sub/index.html").text(), "<p>sub</p>\n");
}

#[test]
fn a_large_file_streams_and_the_loop_goes_on() {
    let _alone = quiet::alone();
    let folder = folder();
    let large: Vec<u8> = (0..8 << 20).map(|n: u32| (n % 251) as u8).collect();
    fs::write(folder.path().join("public/large.bin"), &large).unwrap();
    let root = folder.path().join("public");
    let cofferdam = Cofferdam::start(&format!(
        "[server]\nworkers = 1\n[[routes]]\nprefix = \"/\"\nfiles = {{ root = \"{}\" }}\n",
        root.display()
    ));
    // A client that does not read holds its file open, and nobody else.
    let mut slow = Connection::open(cofferdam.addr()).unwrap();
    slow.send(&http::encode("GET", "/large.bin", &[], b"")).unwrap();
    assert_eq!(cofferdam.get("/hello.txt").text(), "0123456789");
    assert_eq!(cofferdam.get("/large.bin").body, large);
    assert_eq!(slow.response("GET").unwrap().body, large);
}

#[test]
fn a_root_that_is_no_folder_fails_the_check() {
    let file = crate::support::program::File::of(
        "listen = \":0\"\n[[routes]]\nprefix = \"/\"\nfiles = { root = \"nowhere\" }\n",
    );
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("route `root`: files root "), "{ended:?}");
    assert!(ended.stderr.contains("nowhere is no folder"), "{ended:?}");
}
