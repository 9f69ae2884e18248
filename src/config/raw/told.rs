//! `[accounting]`, `[log]` and `[trace]` as they are written.

use std::time::Duration;

use super::read::{Field, Item, Read, field};
use super::section::{self, Key, Section, mirror};
use crate::config::source::Source;

mirror! {
    /// Where the time of calls goes.
    ["accounting"] Accounting {
        /// A call that runs longer than this is sampled, and again after each such time.
        "interval" interval: Duration = "\"20ms\"";
        /// An event loop held longer than this counts as stalled.
        "stall_after" stall_after: Duration = "\"100ms\"";
    }

    /// What is logged, and how.
    ["log"] Log {
        /// The least serious event: error, warn, info, debug or trace.
        "level" level: String = "\"info\"";
        /// auto (text on a terminal, else JSON), text or json.
        "format" format: String = "\"auto\"";
        /// A line for each request.
        "access" access: Access;
    }

    /// A line for each request.
    ["log.access"] Access {
        /// off, text, json, or combined as Apache and nginx write it.
        "format" format: String = "\"off\"";
        /// The file that lines are added to, opened anew on SIGUSR1; standard error, if not written.
        "file" file: String;
        /// Query parameters whose values are not written, in any case of letters.
        "redact" redact: Vec<Field<String>> = "[\"access_token\", \"api_key\", \"apikey\", \"client_secret\", \"id_token\", \"jwt\", \"passwd\", \"password\", \"refresh_token\", \"secret\", \"session\", \"sig\", \"signature\", \"token\"]";
    }

    /// How requests are named across programs.
    ["trace"] Trace {
        /// Whether each request has an `x-request-id`, towards the handler and on the answer. One that a trusted proxy sends is kept.
        "request_id" request_id: bool = "true";
        /// Whether each request goes on with a W3C `traceparent`: the client's continued, or a new one.
        "traceparent" traceparent: bool = "true";
        /// Whether traces that begin here ask to be recorded.
        "sampled" sampled: bool = "true";
    }
}
