//! Why an attempt failed, or why a task left its stage.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::header_text::{InvalidHeaderText, check};

/// Why an attempt failed, or why a task left its stage. A handler can set its own with
/// `Executor-Reason`; the constants are the worker's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskReason(Cow<'static, str>);

impl TaskReason {
    /// The stage's attempts are used up. The reason of the last attempt is unknown: an earlier
    /// dispatch got it.
    pub const EXHAUSTED: Self = Self(Cow::Borrowed("exhausted"));
    /// The task was on the stage for longer than `GIVE_UP_AFTER`, without an answer to its pushes or
    /// because its handler always asked for more time.
    pub const EXPIRED: Self = Self(Cow::Borrowed("expired"));
    /// The task was handed over more often than any chain has stages.
    pub const LOOP: Self = Self(Cow::Borrowed("loop"));
    /// Cloud Tasks refuses to create the task again.
    pub const UNPASSABLE: Self = Self(Cow::Borrowed("unpassable"));
    /// A route matched one of the task's headers; the handler did not run.
    pub const ROUTED: Self = Self(Cow::Borrowed("routed"));
    /// The task's category is isolated on this stage; the handler did not run.
    pub const ISOLATED: Self = Self(Cow::Borrowed("isolated"));
    /// The handler did not answer within its time-out.
    pub const TIMEOUT: Self = Self(Cow::Borrowed("timeout"));
    /// The connection to the handler broke after the request was sent.
    pub const CONNECTION: Self = Self(Cow::Borrowed("connection"));
    /// The handler redirects to another origin, or too often.
    pub const REDIRECT: Self = Self(Cow::Borrowed("redirect"));
    /// The TLS connection to the handler failed, such as by a certificate that isn't trusted.
    pub const TLS: Self = Self(Cow::Borrowed("tls"));
    /// The handler answered with a status other than 2xx and without `Executor-Reason`.
    pub const STATUS: Self = Self(Cow::Borrowed("status"));
    /// The handler succeeded.
    pub const SUCCEEDED: Self = Self(Cow::Borrowed("succeeded"));

    /// The reason as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskReason {
    type Err = InvalidHeaderText;

    fn from_str(text: &str) -> Result<Self, InvalidHeaderText> {
        check(text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl fmt::Display for TaskReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
