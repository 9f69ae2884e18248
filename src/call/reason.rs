//! The one word for why the proxy answered itself: the same in body, header, log and metric.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident $word:literal $title:literal;)*) => {
        /// Why a request did not get the answer it asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $title] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of [`Reason::index`].
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $word,)* }
            }

            /// A short sentence for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Reason::$variant => $title,)* }
            }
        }
    };
}

reasons! {
    NoRoute "no_route" "No route matches this request";
    NoFile "no_file" "There is no such file";
    BadRequest "bad_request" "The request is malformed";
    BadArgument "bad_argument" "An argument of the function is missing or out of range";
    HeadTimeout "head_timeout" "The request's head did not arrive in time";
    BodyTimeout "body_timeout" "The request's body did not arrive in time";
    BodyTooLarge "body_too_large" "The request's body is too large";
    HeadTooLarge "head_too_large" "The request's head is too large";
    RateLimited "rate_limited" "The client asks too often";
    QueueFull "queue_full" "All slots are taken and the queue is full";
    QueueTimeout "queue_timeout" "No slot became free in time";
    BreakerOpen "breaker_open" "The last calls of the function all crashed";
    Poisoned "poisoned" "Requests like this one have crashed the function";
    Draining "draining" "The server is shutting down";
    StartFailed "start_failed" "No worker could be started";
    LoadFailed "load_failed" "The library could not be loaded";
    Crash "crash" "The function crashed";
    Exit "exit" "The function ended its process without an answer";
    Oom "oom" "The function used more memory than it may";
    SandboxViolation "sandbox_violation" "The function did what its sandbox forbids";
    Protocol "protocol" "The worker broke the protocol";
    ReplyTooLarge "reply_too_large" "The function's answer is too large";
    Failed "failed" "The function reported a failure";
    Timeout "timeout" "The time limit was reached";
    UpstreamConnect "upstream_connect" "The app cannot be reached";
    UpstreamReset "upstream_reset" "The app closed the connection without a whole answer";
    UpstreamTimeout "upstream_timeout" "The app did not answer in time";
    ClientGone "client_gone" "The client left";
    Internal "internal" "The proxy failed on this request";
}

impl Reason {
    /// Its place in [`Reason::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_the_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::ALL[reason.index()], *reason);
        }
    }
}
