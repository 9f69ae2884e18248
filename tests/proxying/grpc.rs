//! gRPC through the proxy, by a real client and a real server (grpcio). Skipped with a reason where Python has no grpcio;
//! in CI it must.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::Cofferdam;
use crate::support::python::python;
use crate::support::running::Running;

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn start_server(python: &Path) -> (Running, String) {
    let mut command = Command::new(python);
    command.arg(package("tests/grpc/echo.py")).arg("server");
    let server = Running::spawn(command);
    assert!(server.wait_for_line(Duration::from_secs(30), |_| true), "{:?}", server.stderr());
    let port = server.stdout().remove(0);
    (server, format!("http://127.0.0.1:{port}"))
}

#[test]
fn messages_flow_both_ways_and_the_status_comes_in_trailers() {
    let Some(python) = python("grpc") else { return };
    let (_server, url) = start_server(&python);
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"app\"\n[upstreams.app]\nurl = \"{url}\"\nprotocol = \"http2\"\n"
    ));
    let mut client = Command::new(&python);
    client
        .arg(package("tests/grpc/echo.py"))
        .arg("client")
        .arg(cofferdam.addr().port().to_string());
    let output = client.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&errors);
    assert_eq!(seen["unary"], serde_json::json!([200_000, "of unary"]));
    assert_eq!(
        seen["fail"],
        serde_json::json!(["FAILED_PRECONDITION", "told in trailers", "of fail"])
    );
    assert_eq!(seen["stream"], serde_json::json!(["0", "1", "2", "3", "4"]));
    assert_eq!(cofferdam.metric("cofferdam_http_requests_aborted_total", &[]), 0.0);
}
