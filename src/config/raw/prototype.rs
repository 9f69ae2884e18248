//! What stands beside a prototype as it is written: an argument, `response` and `failure`.

use super::literal::{Literal, OrErrno};
use super::read::{Field, Item, Named, Read, field};
use super::section::{self, Key, Section, mirror};
use super::unit::Size;
use crate::config::source::Source;

mirror! {
    /// Where one parameter comes from, or goes to.
    ["functions.NAME.arguments.PARAMETER"] Argument {
        /// Written `true`: the whole body. As "body", but for what may stand beside it.
        "body" body: bool;
        /// The first query parameter of this name, percent-decoded.
        "query" query: String;
        /// The `{name}` of the route's path, percent-decoded.
        "path" path: String;
        /// The header of this name.
        "header" header: String;
        /// The cookie of this name, as it is.
        "cookie" cookie: String;
        /// The first field of this name of a form in the body, decoded.
        "form" form: String;
        /// What this JSON Pointer finds in the body, as "/user/name".
        "json" json: String;
        /// A constant. A bare number or boolean is one as well.
        "const" constant: Literal;
        /// Taken where the request has none; without it that is a 400. Beside query, header, cookie, form and json.
        "default" default: Literal;
        /// The least number; else 400.
        "min" min: Literal;
        /// The greatest number; else 400.
        "max" max: Literal;
        /// The most bytes of a string, or of bytes; else 400.
        "max_length" max_length: Size;
        /// The length of this other parameter: by value going in; by pointer also coming out. "return": by pointer, of the bytes that are returned.
        "len" len: String;
        /// Zeroed memory of this size that the function fills; beside a source it begins with what comes from there.
        "buffer" buffer: Size;
        /// The size of this other parameter's buffer, by value.
        "capacity" capacity: String;
    }

    /// How a success is answered.
    ["functions.NAME.response"] Response {
        /// "return", "stdout", or the parameter that holds the answer.
        "body" body: String = "\"return\"";
        /// One JSON object instead: each member and what it holds, "return", "errno", "stdout" or a parameter.
        "json" json: Named<String>;
        /// Else by the body: JSON for a number, text for a string, octet-stream for a buffer.
        "content_type" content_type: String;
        /// 200 to 599; a void function answers 204.
        "status" status: i64 = "200";
        /// More headers of the answer.
        "headers" headers: Named<String>;
    }

    /// How a return that is no success is answered.
    ["functions.NAME.failure"] Failure {
        /// 400 to 599, or "errno": by errno, 500 for most.
        "status" status: OrErrno<i64> = "500";
        /// Words for the client: "errno", or a symbol or C declaration of a function that returns them.
        "message" message: String;
    }
}
