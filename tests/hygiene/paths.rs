//! Paths against a protected prefix: it is matched on what the upstream would read.

use super::Stage;

fn head(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

const PROTECTED: &[&str] = &[
    "/admin",
    "/admin/",
    "/admin/x",
    "/admin?x",
    "/admin/?x=/../",
    "//admin",
    "///admin//x",
    "/./admin",
    "/././admin",
    "/x/../admin",
    "/x/y/../../admin",
    "/x//../admin",
    "/admin//x",
    "/admin/.",
    "/admin/./x",
    "/admin/x/..",
    "/admin/../admin",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/%61%64%6D%69%6E/",
    "/x/%2e%2e/admin",
    "/x/.%2e/admin",
    "/x/%2E./admin",
    "/%2e/admin",
    "/a/b/../../admin",
    "/admin%2Fx",
    "/admin%2fx",
    "/%2fadmin",
    "/%2Fadmin",
    "/.%2Fadmin",
    "/x%2F..%2Fadmin",
    "/x/..%2fadmin",
    "/x%2f../admin",
    "/x%2f../../admin",
    "/x%2F%2E%2E%2Fadmin",
    "/x%2f%2fy/..%2f..%2fadmin",
    "http://a/admin",
    "http://a//admin/x",
    "http://a/x/../admin",
    "https://a/%61dmin",
];

const REFUSED: &[&str] = &[
    "/..",
    "/../",
    "/../admin",
    "/x/../../admin",
    "/./../admin",
    "/%2e%2e/admin",
    "/%2e%2e",
    "/x/%2e%2e/%2e%2e/admin",
    "/..;/admin",
    "/..;x/admin",
    "/x/..;/admin",
    "/x/..;a=b/admin",
    "/x/%2e%2e;/admin",
    "/x/.;/admin",
    "/x/.;a/admin",
    "/x/..%3b/admin",
    "/x/..%3Ba/admin",
    "/x%2F..;%2Fadmin",
    "/x%2f..%3b%2fadmin",
    "/%2F..%2Fadmin",
    "/..%2Fadmin",
    "/x%2f..%2f..%2fadmin",
    "/%2F..%2F..%2Fa",
    "/x\\..\\admin",
    "\\admin",
    "/x\\admin",
    "/x%5cadmin",
    "/x%5C..%5Cadmin",
    "/..\\admin",
    "/admin%00",
    "/admin%00.jpg",
    "/%00/admin",
    "/a%0d%0ab",
    "/a%0a",
    "/a%09b",
    "/a%1f",
    "/a%7f",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a%g0",
    "/a%0",
    "/a%%32%66",
    "/%c",
    "/%",
    "/%u002fadmin",
    "http://a/../admin",
    "http://a/x/../../admin",
    "http://a/x%00",
];

/// Nothing is decoded twice: these are other paths.
const OTHERS: &[(&str, &str)] = &[
    ("/a//b", "/a/b"),
    ("/a/./b?c=%61//..", "/a/b?c=%61//.."),
    ("/%7euser", "/~user"),
    ("/a%2fb", "/a%2Fb"),
    ("/x/../y/", "/y/"),
    ("/a;b=c", "/a;b=c"),
    ("/a;b=../c", "/a;b=../c"),
    ("/admin;x", "/admin;x"),
    ("/administrator", "/administrator"),
    ("/Admin", "/Admin"),
    ("/%41dmin", "/Admin"),
    ("/%2561dmin", "/%2561dmin"),
    ("/x/%252e%252e/admin", "/x/%252e%252e/admin"),
    ("/x%252f..%252fadmin", "/x%252f..%252fadmin"),
    ("/x/%25%32%65%25%32%65/admin", "/x/%252e%252e/admin"),
    ("/%20admin", "/%20admin"),
    ("/admin%20", "/admin%20"),
    ("/...", "/..."),
    ("/..x/y", "/..x/y"),
    ("/.well-known/x", "/.well-known/x"),
    ("/x.", "/x."),
    ("/%c0%ae%c0%ae/admin", "/%C0%AE%C0%AE/admin"),
    ("/%e2%82%ac", "/%E2%82%AC"),
    ("/%3fx", "/%3Fx"),
    ("/%23x", "/%23x"),
    ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="),
    ("/", "/"),
    ("//", "/"),
    ("/.", "/"),
    ("/x/..", "/"),
    ("/?", "/?"),
];

#[test]
fn no_spelling_walks_around_a_prefix() {
    let stage = Stage::new();
    for target in PROTECTED {
        assert_eq!(stage.status(&head(target)), 403, "{target}");
    }
    assert!(stage.tap.seen().bytes.is_empty());
}

#[test]
fn what_has_no_one_meaning_is_refused() {
    let stage = Stage::new();
    for target in REFUSED {
        stage.refuses(400, &head(target));
    }
}

#[test]
fn the_upstream_gets_the_path_that_was_matched() {
    let stage = Stage::new();
    for (target, expected) in OTHERS {
        let seen = stage.passes(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n"), "");
        assert_eq!(seen.target, *expected, "{target}");
    }
}
