//! All that a function can give back beside a number: bytes of its own, buffers that it changes, several at once.

use super::ground::{Calm, detail, function, json, logged, of, problem, start};
use super::types::answers;
use crate::support::http;

fn typed(name: &str, prototype: &str, keys: &str) -> String {
    function(name, "typed", &format!("prototype = \"{prototype}\"\n{keys}"), "")
}

const LEND: &str = "const uint8_t *lend(const char *how, size_t *len)";
const SPLIT: &str = "int split(const char *text, char **first, uint8_t **rest, size_t *rest_len, int *count, double *half)";
const SPLIT_KEYS: &str = "arguments = { text = { query = \"text\" }, first = \"out\", rest = \"out\", rest_len = { len = \"rest\" }, count = \"out\", half = \"out\" }\nfree = \"forget\"";

#[test]
fn returned_bytes_are_as_long_as_the_function_says() {
    let lend = "arguments = { how = { query = \"how\" }, len = { len = \"return\" } }";
    let picture = format!(
        "{lend}\nresponse = {{ body = \"return\", content_type = \"image/png\" }}\nsuccess = \"!= null or errno == 0\""
    );
    let out =
        "arguments = { how = { query = \"how\" }, len = { len = \"return\" } }\nfree = \"free\"";
    let cofferdam = start(&[
        typed("lend", LEND, lend),
        typed("picture", LEND, &picture),
        typed("out", "void *hand_out(int how, int64_t *len)", out),
    ]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/lend?how=x");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"a\0b\xff"[..]));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let empty = cofferdam.get("/lend?how=empty");
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    answers(&cofferdam, "/lend?how=null", "null\n");
    assert_eq!(cofferdam.get("/picture?how=x").header("content-type"), Some("image/png"));
    assert_eq!(cofferdam.get("/picture?how=null").status, 204);
    answers(&cofferdam, "/out?how=16", &"m".repeat(16));
    for how in ["-1", "67108865", "-2147483648"] {
        let id = problem(&cofferdam.get(&format!("/out?how={how}")), 502, "protocol");
        logged(&cofferdam, &id, "that it hands out that is negative or beyond 67108864 bytes");
    }
    calm.returns(&cofferdam);
}

#[test]
fn several_outputs_are_one_object() {
    let all = "response = { json = { code = \"return\", \"first word\" = \"first\", rest = \"rest\", length = \"count\", half = \"half\", errno = \"errno\" } }";
    let one = "response = { body = \"first\", content_type = \"text/plain\" }\nsuccess = \"first != null and rest != null\"";
    let cofferdam = start(&[
        typed("split", SPLIT, &format!("{SPLIT_KEYS}\n{all}")),
        typed("first", SPLIT, &format!("{SPLIT_KEYS}\n{one}\nfailure = {{ status = \"errno\" }}")),
    ]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/split?text=%22b%22%20c%FFd");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        "{\"code\":2,\"first word\":\"\\\"b\\\"\",\"rest\":\"Y/9k\",\"length\":7,\"half\":3.5,\"errno\":7}\n"
    );
    // The string and the bytes went back, each once.
    let forgotten = |line: &String| line.matches("forgotten").count();
    eventually!(cofferdam.stderr().iter().map(forgotten).sum(), |times: &usize| *times == 2);
    let none = json(&cofferdam.get("/split?text=none"));
    assert_eq!(
        (&none["code"], &none["first word"], &none["rest"]),
        (&(-1).into(), &().into(), &().into())
    );
    answers(&cofferdam, "/first?text=one%20two", "one");
    problem(&cofferdam.get("/first?text=none"), 400, "failed");
    calm.returns(&cofferdam);
}

#[test]
fn what_a_function_prints_may_be_a_member() {
    let keys = "arguments = { text = \"body\", times = 1 }\nresponse = { json = { printed = \"stdout\", code = \"return\" } }";
    let cofferdam = start(&[typed("print", "int print(const char *text, int times)", keys)]);
    let answer = http::post(cofferdam.addr(), "/print", b"x\n");
    assert_eq!(answer.text(), "{\"printed\":\"x\\n|a child\\n\",\"code\":0}\n");
}

#[test]
fn a_buffer_begins_with_its_input_and_is_changed_in_place() {
    let twofold = "arguments = { data = { body = true, buffer = \"8B\" }, len = { len = \"data\" }, size = { capacity = \"data\" } }\n\
                   response = { body = \"data\" }\nsuccess = \"== 0\"";
    let turn = "arguments = { data = { query = \"data\", default = \"ab\", buffer = \"64B\", max_length = \"4B\" }, n = { len = \"data\" } }\n\
                response = { body = \"data\" }";
    let exclaim = "arguments = { text = { query = \"text\", buffer = \"8B\" } }\nresponse = { json = { text = \"text\", ok = \"return\" } }";
    let spell = "arguments = { n = { query = \"n\" }, text = { buffer = \"64B\" }, size = { len = \"text\" } }\nresponse = { body = \"text\", content_type = \"text/plain\" }";
    let cofferdam = start(&[
        typed("twofold", "int twofold(uint8_t *data, size_t *len, size_t size)", twofold),
        typed("turn", "void turn(uint8_t *data, int n)", turn),
        typed("exclaim", "int exclaim(char *text)", exclaim),
        typed("spell", "int spell(int n, char *text, size_t size)", spell),
    ]);
    let calm = Calm::of(&cofferdam);
    let post = |body: &[u8]| http::post(cofferdam.addr(), "/twofold", body);
    assert_eq!(post(b"a\0b").body, b"aa\0\0bb");
    assert_eq!(post(b"").body, b"");
    assert_eq!(post(b"abcd").body, b"aabbccdd");
    let id = problem(&post(b"abcde"), 502, "protocol");
    logged(&cofferdam, &id, "beyond its 8 bytes");
    let starts = of(&cofferdam, "worker_starts_total", "twofold", &[]);
    let long = post(b"123456789");
    problem(&long, 400, "bad_argument");
    assert_eq!(detail(&long), "argument `data`: must have at most 8 bytes");
    assert_eq!(of(&cofferdam, "worker_starts_total", "twofold", &[]), starts);
    answers(&cofferdam, "/turn?data=1234", "4321");
    answers(&cofferdam, "/turn", "ba");
    problem(&cofferdam.get("/turn?data=12345"), 400, "bad_argument");
    answers(&cofferdam, "/exclaim?text=Oh", "{\"text\":\"Oh!\",\"ok\":1}\n");
    problem(&cofferdam.get("/exclaim?text=12345678"), 400, "bad_argument");
    problem(&cofferdam.get("/exclaim?text=a%00b"), 400, "bad_argument");
    answers(&cofferdam, "/spell?n=3", "3 is odd");
    calm.returns(&cofferdam);
}

#[test]
fn what_a_library_hands_out_goes_through_each_mode() {
    let keys = |mode: &str| {
        format!(
            "mode = \"{mode}\"\ntraits = [\"reusable\", \"threadsafe\"]\n{SPLIT_KEYS}\nresponse = {{ body = \"rest\" }}"
        )
    };
    let cofferdam =
        start(&["pool", "thread", "inline"].map(|mode| typed(mode, SPLIT, &keys(mode))));
    for mode in ["pool", "thread", "inline"] {
        for _ in 0..3 {
            answers(&cofferdam, &format!("/{mode}?text=one%20two"), "two");
        }
    }
}
