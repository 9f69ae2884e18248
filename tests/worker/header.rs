//! `cofferdam.h` as its users' compilers see it.

use super::*;

const USER: &str = r#"
#include <cofferdam.h>
int user(cof_request *req, cof_response *res);
int user(cof_request *req, cof_response *res) {
    char buffer[8];
    size_t length = 0;
    if (cof_cancelled(req) || cof_cancel_fd(req) < 0 || cof_time_left_ms(req) == 0) return -ETIMEDOUT;
    cof_status(res, 200);
    cof_set_header(res, "content-type", "text/plain");
    cof_add_header(res, "x", cof_header(req, "host", &length));
    while (cof_read(req, buffer, sizeof buffer) > 0) cof_log(req, 7, "%zu", length);
    if (cof_phase(req, "print") != 0) cof_phase(req, NULL);
    if (length == 7) return cof_sendfd(res, 3, 0, COF_TO_END);
    cof_printf(res, "%s %s", cof_method(req), cof_param(req, "id", NULL));
    return cof_write(res, cof_body(req, &length), length);
}
"#;

/// Compiles `USER` with warnings as errors; `false` where there is no such compiler.
fn compiles(compiler: &str, standard: &str, extension: &str) -> bool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("user.{extension}"));
    std::fs::write(&source, USER).unwrap();
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-shared", "-fPIC"])
        .args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/c-ext/include"), "-o"])
        .args([&source.with_extension(format!("{extension}.so")), &source])
        .output();
    let Ok(output) = output else {
        // The two of the GNU project are what CI installs.
        if compiler.starts_with('g') {
            crate::support::skip::skip(&format!("no {compiler}"));
        }
        return false;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn it_compiles_clean_as_c11_and_cpp17() {
    for compiler in ["gcc", "clang"] {
        compiles(compiler, "-std=c11", "c");
    }
    for compiler in ["g++", "clang++"] {
        compiles(compiler, "-std=c++17", "cc");
    }
}

#[test]
fn on_a_host_without_a_function_it_says_so_and_calls_nothing() {
    for host in ["older", "foreign"] {
        let mut worker = Worker::ready(&library("older_host"), int(host, 0));
        assert_eq!(worker.run(&[]).returned, Value::Int(0), "{host}");
    }
}
