//! Short words that travel in headers: reasons and the names of stages.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A text that is no word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a word: use 1 to 63 letters, digits, periods, hyphens and underscores")]
pub struct NotAWord(String);

/// A word is safe as a header's value and inside JSON without escapes, and short enough that the
/// ledger stays small.
fn check(text: &str) -> Result<(), NotAWord> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(legal);
    fits.then_some(()).ok_or_else(|| NotAWord(text.to_owned()))
}

/// Why an attempt failed, or why a task moved on. The handler may give one of its own in
/// `Executor-Reason`; the constants are the worker's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The attempts of the stage are used up. Known from the counters alone: what the last
    /// attempt said was told to an earlier dispatch.
    pub const EXHAUSTED: Self = Self(Cow::Borrowed("exhausted"));
    /// The task was on the stage for longer than `GIVE_UP_AFTER`, and its pushes went unanswered.
    pub const EXPIRED: Self = Self(Cow::Borrowed("expired"));
    /// More hand-overs than any ladder has stages.
    pub const LOOP: Self = Self(Cow::Borrowed("loop"));
    /// Cloud Tasks refuses to take the task again.
    pub const UNPASSABLE: Self = Self(Cow::Borrowed("unpassable"));
    /// A route matched one of the task's headers; the handler did not run.
    pub const ROUTED: Self = Self(Cow::Borrowed("routed"));
    /// The handler did not answer within its time-out.
    pub const TIMEOUT: Self = Self(Cow::Borrowed("timeout"));
    /// The connection to the handler broke after the request was sent.
    pub const CONNECTION: Self = Self(Cow::Borrowed("connection"));
    /// The handler answered with a status that is no success, and said no more.
    pub const STATUS: Self = Self(Cow::Borrowed("status"));
    /// The handler succeeded.
    pub const SUCCEEDED: Self = Self(Cow::Borrowed("succeeded"));

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        check(text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageName(String);

impl StageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StageName {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
