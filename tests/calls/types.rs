//! Every type that a prototype can say, driven through the program: by address, by handle, strings that go back.

use super::ground::{Calm, calls, detail, function, logged, problem, start};
use crate::support::{Cofferdam, http};

/// A function of the fixture `typed`.
fn typed(name: &str, prototype: &str, keys: &str) -> String {
    function(name, "typed", &format!("prototype = \"{prototype}\"\n{keys}"), "")
}

fn unary(name: &str, kind: &str) -> String {
    let keys = "arguments = { n = { query = \"n\" } }";
    typed(name, &format!("{kind} {name}({kind} n)"), keys)
}

/// `GET path` answers with this text.
#[track_caller]
pub fn answers(cofferdam: &Cofferdam, path: &str, expected: &str) {
    let answer = cofferdam.get(path);
    assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path}");
}

#[test]
fn enums_and_the_integers_of_every_name() {
    let cofferdam = start(&[
        unary("next_colour", "enum colour"),
        unary("twice", "off_t"),
        unary("negative", "long long int"),
        unary("half", "unsigned short"),
        unary("shift", "char"),
    ]);
    let calm = Calm::of(&cofferdam);
    answers(&cofferdam, "/next_colour?n=-1", "0\n");
    answers(&cofferdam, "/twice?n=4611686018427387903", "9223372036854775806\n");
    answers(&cofferdam, "/negative?n=-9", "9\n");
    answers(&cofferdam, "/half?n=65535", "32767\n");
    answers(&cofferdam, "/shift?n=65", "66\n");
    problem(&cofferdam.get("/half?n=65536"), 400, "bad_argument");
    calm.returns(&cofferdam);
}

#[test]
fn numbers_go_in_and_come_out_by_address() {
    let step = |name: &str, body: &str| {
        let keys = format!(
            "arguments = {{ value = {{ query = \"v\" }}, count = {{ query = \"c\", max = 9 }}, parity = \"out\" }}\n\
             response = {{ body = \"{body}\" }}\nsuccess = \"parity == 1 and count > 0\""
        );
        typed(name, "int step(double *value, int16_t *count, unsigned *parity)", &keys)
    };
    let cofferdam = start(&[step("value", "value"), step("count", "count"), step("ret", "return")]);
    answers(&cofferdam, "/value?v=5&c=7", "2.5\n");
    answers(&cofferdam, "/count?v=5&c=7", "8\n");
    answers(&cofferdam, "/ret?v=5&c=7", "8\n");
    problem(&cofferdam.get("/count?v=5&c=6"), 500, "failed");
    problem(&cofferdam.get("/count?v=5&c=10"), 400, "bad_argument");
}

#[test]
fn a_returned_string_goes_back_to_the_library() {
    let keys = "arguments = { name = { query = \"name\" } }\nfree = \"take_back\"";
    let libc = "arguments = { name = { query = \"name\" } }\nfree = \"free\"";
    let cofferdam = start(&[
        typed("borrow", "char *borrow(const char *name)", keys),
        typed("libc", "char *borrow(const char *name)", libc),
    ]);
    answers(&cofferdam, "/borrow?name=you", "hello you");
    let taken =
        |lines: &Vec<String>| lines.iter().any(|l| l.contains("taken back: hello you, 0 left"));
    eventually!(cofferdam.stderr(), taken);
    answers(&cofferdam, "/libc?name=you", "hello you");
    answers(&cofferdam, "/borrow?name=", "null\n");
}

const ASK: &str =
    "int store_ask(struct store *store, const char *key, char *out, size_t *out_len, int *asked)";

fn ask(name: &str, init: &str, more: &str) -> String {
    let keys = format!(
        "arguments = {{ store = \"handle\", key = {{ query = \"key\" }}, out = {{ buffer = \"1KiB\" }}, \
         out_len = {{ len = \"out\" }}, asked = \"out\" }}\n{init}\nsuccess = \"== 0\"\n\
         response = {{ body = \"out\", content_type = \"text/plain\" }}\n{more}"
    );
    typed(name, ASK, &keys)
}

const OPEN: &str = "init = \"struct store *store_open(const char *path, int size)\"\n\
                    init_arguments = { path = { const = \"/store\" }, size = 3 }";
const OPEN_INTO: &str = "init = \"int store_open_into(const char *path, struct store **db)\"\n\
                         init_arguments = { path = { const = \"/other\" }, db = \"handle\" }";

#[test]
fn a_handle_is_made_once_in_each_worker_and_given_back() {
    let why = "exit = \"store_close\"\n\
               failure = { status = 404, message = \"const char *store_why(struct store *s)\" }";
    let cofferdam = start(&[ask("ask", OPEN, why), ask("into", OPEN_INTO, "spares = 1")]);
    let calm = Calm::of(&cofferdam);
    answers(&cofferdam, "/ask?key=a", "/store:3:a");
    answers(&cofferdam, "/ask?key=b", "/store:3:b");
    answers(&cofferdam, "/into?key=c", "/other:7:c");
    let closed = |lines: &Vec<String>| {
        lines.iter().filter(|line| line.contains("closed /store after 1")).count() == 2
    };
    eventually!(cofferdam.stderr(), closed);
    let missing = cofferdam.get("/ask?key=missing");
    let id = problem(&missing, 404, "failed");
    assert_eq!(detail(&missing), "the function returned -2: no key missing in /store");
    logged(&cofferdam, &id, "closed /store");
    assert_eq!(calls(&cofferdam, "ask", "failed"), 1.0);
    calm.returns(&cofferdam);
}

#[test]
fn a_set_up_without_a_handle() {
    let cofferdam = start(&[
        typed("was_set_up", "int was_set_up(void)", "init = \"int set_up(void)\""),
        typed("not", "int was_set_up(void)", ""),
    ]);
    answers(&cofferdam, "/was_set_up", "1\n");
    answers(&cofferdam, "/not", "0\n");
}

#[test]
fn any_pointer_may_be_null() {
    let keys = "arguments = { a = \"null\", b = \"null\", c = \"null\", d = \"null\" }";
    let prototype = "int is_null(const char *a, void *b, struct store *c, char **d)";
    answers(&start(&[typed("is_null", prototype, keys)]), "/is_null", "1\n");
}

#[test]
fn the_time_left_and_the_request_s_id() {
    let left = |name: &str, route: &str| {
        let keys = "prototype = \"long left(long ms, uint8_t few)\"\n\
                    arguments = { ms = \"time_left_ms\", few = \"time_left_ms\" }\ntimeout = \"9s\"";
        function(name, "typed", keys, route)
    };
    let id = "arguments = { text = \"request_id\" }";
    let cofferdam = start(&[
        left("left", ""),
        left("less", "timeout = \"4s\""),
        typed("same", "const char *same(const char *text)", id),
    ]);
    let ms = |path: &str| cofferdam.get(path).text().trim().parse::<i64>().unwrap();
    assert!((4001..=9000).contains(&ms("/left")));
    assert!((1..=4000).contains(&ms("/less")));
    let answer = http::get(cofferdam.addr(), "/same");
    assert_eq!(Some(answer.text().as_str()), answer.header("x-request-id"));
}

#[test]
fn what_a_function_prints_is_its_answer() {
    let print = |name: &str, response: &str| {
        let keys = format!(
            "arguments = {{ text = {{ query = \"text\" }}, times = {{ query = \"times\", default = 1 }} }}\n{response}"
        );
        typed(name, "int print(const char *text, int times)", &keys)
    };
    let csv = "response = { body = \"stdout\", content_type = \"text/csv\" }\nsuccess = \"== 0\"";
    let cofferdam = start(&[
        print("print", "response = { body = \"stdout\" }"),
        print("csv", csv),
        print("logged", ""),
    ]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/print?text=no%20line");
    assert_eq!((answer.status, answer.text().as_str()), (200, "no line|a child\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let answer = cofferdam.get("/csv?text=a,b%0A&times=100000");
    assert_eq!(answer.text(), "a,b\n".repeat(100_000) + "|a child\n");
    assert_eq!(answer.header("content-type"), Some("text/csv"));
    let answer = cofferdam.get("/logged?text=seen");
    logged(&cofferdam, answer.header("x-request-id").unwrap(), "seen|a child");
    let printed = |lines: &[String]| lines.iter().filter(|line| line.contains("no line")).count();
    assert_eq!(printed(&cofferdam.stderr()), 0);
    let much = cofferdam.get(&format!("/print?text={}&times=8200", "x".repeat(1024)));
    let id = problem(&much, 502, "protocol");
    logged(&cofferdam, &id, "it printed more than 8388608 bytes");
    calm.returns(&cofferdam);
}
