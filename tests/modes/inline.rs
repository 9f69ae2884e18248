//! `mode = "inline"`: calls on the event loop, for what is done within a millisecond.

use crate::calls::ground::{calls, function, of, start_with};

fn inline(name: &str, keys: &str) -> String {
    let traits = "traits = [\"reusable\", \"threadsafe\"]";
    function(name, "modes", &format!("mode = \"inline\"\n{traits}\n{keys}"), "")
}

#[test]
fn calls_run_on_the_event_loop() {
    let cofferdam = start_with(
        "[server]\nworkers = 1\n",
        &[
            inline("f", "prototype = \"int thread(void)\""),
            inline("greet", "handler = \"greet\""),
            inline(
                "g",
                "prototype = \"int fragile(int crash)\"\narguments = { crash = { query = \"crash\" } }",
            ),
        ],
    );
    let thread: u32 = cofferdam.get("/f").text().trim().parse().unwrap();
    let name = std::fs::read_to_string(format!("/proc/{}/task/{thread}/comm", cofferdam.pid()));
    assert_eq!(name.unwrap().trim(), "loop-0");
    assert_eq!(cofferdam.get("/greet").text(), "call 1/greet");
    assert_eq!(cofferdam.get("/g?crash=x").reason(), "bad_argument");
    assert_eq!(cofferdam.get("/g?crash=0").text().trim(), "2");
    assert_eq!(calls(&cofferdam, "f", "ok"), 1.0);
    assert_eq!(of(&cofferdam, "slots_in_use", "f", &[]), 0.0);
    assert_eq!(of(&cofferdam, "inline_stalls_total", "f", &[]), 0.0);
}

#[test]
fn one_that_holds_the_loop_is_logged_with_its_route_and_counted() {
    let keys = "prototype = \"int slow(int ms)\"\narguments = { ms = 120 }";
    let cofferdam = start_with("[accounting]\nstall_after = \"50ms\"\n", &[inline("f", keys)]);
    assert_eq!(cofferdam.get("/f").status, 200);
    assert_eq!(of(&cofferdam, "inline_stalls_total", "f", &[]), 1.0);
    let told = |line: &String| {
        line.contains("held its event loop")
            && line.contains("\"route\":\"f\"")
            && line.contains("request_id")
    };
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
    let blocked = of(&cofferdam, "call_time_seconds_total", "f", &[("state", "blocked")]);
    assert!(blocked >= 0.115, "{blocked}");
}
