//! What is a success, how it is answered, and how a failure is told.

use super::ground::{detail, function, problem, start};
use super::types::answers;

fn typed(name: &str, prototype: &str, keys: &str) -> String {
    function(name, "typed", &format!("prototype = \"{prototype}\"\n{keys}"), "")
}

fn fail(name: &str, keys: &str) -> String {
    let arguments = "arguments = { with = { query = \"errno\", default = 0 }, code = { query = \"code\", default = 0 } }";
    typed(name, "int fail(int with, int code)", &format!("{arguments}\n{keys}"))
}

#[test]
fn errno_says_whether_and_how_a_call_failed() {
    let cofferdam = start(&[
        fail(
            "errno",
            "success = \"errno == 0\"\nfailure = { status = \"errno\", message = \"errno\" }",
        ),
        fail("code", "success = \"== 0 or errno == 2\""),
    ]);
    answers(&cofferdam, "/errno?code=-1", "-1\n");
    for (errno, status, words) in [
        (2, 404, "No such file or directory"),
        (13, 403, "Permission denied"),
        (22, 400, "Invalid argument"),
        (27, 413, "File too large"),
        (16, 503, "Device or resource busy"),
        (110, 504, "Connection timed out"),
        (5, 500, "Input/output error"),
    ] {
        let answer = cofferdam.get(&format!("/errno?code=-1&errno={errno}"));
        problem(&answer, status, "failed");
        assert_eq!(detail(&answer), format!("the function returned -1: {words}"));
    }
    answers(&cofferdam, "/code?code=0&errno=5", "0\n");
    answers(&cofferdam, "/code?code=1&errno=2", "1\n");
    problem(&cofferdam.get("/code?code=1&errno=5"), 500, "failed");
}

#[test]
fn the_library_s_words_are_told() {
    let failure = |message: &str| {
        format!("success = \"== 0\"\nfailure = {{ status = 422, message = \"{message}\" }}")
    };
    let cofferdam = start(&[
        fail("symbol", &failure("describe")),
        fail("declared", &failure("const char *describe(int32_t code)")),
        fail("last", &failure("const char *last_words(void)")),
        fail("libc", &format!("{}\n", failure("strerror"))),
    ]);
    for (path, words) in [
        ("/symbol?code=-7", "the function returned -7: seven is too many"),
        ("/symbol?code=-8", "the function returned -8"),
        ("/declared?code=-7", "the function returned -7: seven is too many"),
        ("/last?code=1", "the function returned 1: these are the last words"),
        ("/libc?code=2", "the function returned 2: No such file or directory"),
    ] {
        let answer = cofferdam.get(path);
        problem(&answer, 422, "failed");
        assert_eq!(detail(&answer), words, "{path}");
    }
}

#[test]
fn null_is_a_failure_where_success_says_so() {
    let find = |name: &str, keys: &str| {
        let keys = format!(
            "arguments = {{ name = {{ query = \"name\", default = \"\" }}, with = {{ query = \"errno\", default = 0 }} }}\n{keys}"
        );
        typed(name, "const char *find(const char *name, int with)", &keys)
    };
    let cofferdam = start(&[
        find("must", "success = \"!= null\"\nfailure = { status = 404, message = \"errno\" }"),
        find(
            "may",
            "success = \"!= null or errno == 0\"\nresponse = { content_type = \"text/x-name\", headers = { cache-control = \"no-store\" } }",
        ),
        find("strict", "success = \"== null\"\nfailure = { message = \"strerror\" }"),
    ]);
    answers(&cofferdam, "/must?name=you", "you");
    let missing = cofferdam.get("/must?errno=2");
    problem(&missing, 404, "failed");
    assert_eq!(detail(&missing), "the function returned null: No such file or directory");
    let found = cofferdam.get("/may?name=you&errno=2");
    assert_eq!((found.status, found.header("content-type")), (200, Some("text/x-name")));
    assert_eq!(found.header("cache-control"), Some("no-store"));
    let nothing = cofferdam.get("/may");
    assert_eq!((nothing.status, nothing.body.len()), (204, 0));
    assert_eq!(nothing.header("content-type"), None);
    assert_eq!(nothing.header("cache-control"), Some("no-store"));
    problem(&cofferdam.get("/may?errno=2"), 500, "failed");
    let words = cofferdam.get("/strict?name=you&errno=2");
    assert_eq!(detail(&words), "the function failed: No such file or directory");
}

#[test]
fn an_output_says_whether_a_call_failed() {
    let keys = "arguments = { with = { query = \"errno\" }, state = \"out\" }\n\
                success = \"state != 9\"\nresponse = { status = 202, headers = { x-done = \"yes\" } }\n\
                failure = { status = 409, message = \"errno\" }";
    let cofferdam = start(&[typed("act", "void act(int with, int *state)", keys)]);
    let done = cofferdam.get("/act?errno=0");
    assert_eq!((done.status, done.body.len(), done.header("x-done")), (202, 0, Some("yes")));
    let failed = cofferdam.get("/act?errno=13");
    problem(&failed, 409, "failed");
    assert_eq!(detail(&failed), "the function failed: Permission denied");
}
