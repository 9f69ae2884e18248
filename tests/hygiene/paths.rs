//! Paths against a protected prefix: it is matched on what the upstream would read.

use super::Stage;

fn get(stage: &Stage, target: &str) -> u16 {
    stage
        .status(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
}

#[test]
fn no_spelling_walks_around_a_prefix() {
    let stage = Stage::new();
    let protected = [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/x/%2e%2e/admin",
        "/a/b/../../admin",
        "/admin//x",
        "/admin/.",
        "/admin%2Fx",
        "/admin%2fx",
        "/x%2F..%2Fadmin",
        "/admin?x",
    ];
    for target in protected {
        assert_eq!(get(&stage, target), 403, "{target}");
    }
    assert!(stage.upstream.requests().is_empty());
}

#[test]
fn what_has_no_one_meaning_is_refused() {
    let stage = Stage::new();
    let refused = [
        "/..",
        "/../admin",
        "/x/../../admin",
        "/..;/admin",
        "/x/..;a/admin",
        "/x\\..\\admin",
        "/x%5c..%5cadmin",
        "/admin%00",
        "/a%0d%0ab",
        "/a%",
        "/a%2",
        "/a%zz",
        "/%c",
        "/a%7f",
    ];
    for target in refused {
        assert_eq!(get(&stage, target), 400, "{target}");
    }
    assert!(stage.upstream.requests().is_empty());
}

#[test]
fn the_upstream_gets_the_path_that_was_matched() {
    let stage = Stage::new();
    let rows = [
        ("/a//b", "/a/b"),
        ("/a/./b?c=%61//..", "/a/b?c=%61//.."),
        ("/%7euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/x/../y/", "/y/"),
        ("/a;b=c", "/a;b=c"),
    ];
    for (target, _) in rows {
        assert_eq!(get(&stage, target), 200, "{target}");
    }
    let seen = stage.upstream.wait_for(rows.len());
    for ((target, expected), seen) in rows.iter().zip(seen) {
        assert_eq!(seen.target, *expected, "{target}");
    }
}
