//! What Cloud Tasks is told, and why these codes.

/// An answer to a push.
///
/// Three codes are words of our own that no proxy gives by itself, so that
/// `X-CloudTasks-TaskPreviousResponse` tells the next dispatch what became of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 200: nothing is owed any more. Cloud Tasks deletes the task.
    Done,
    /// 477: the attempt failed and counts. Not a 5xx, so that `TaskExecutionCount` counts it; not
    /// 429, so that the queue isn't slowed.
    Failed,
    /// 596: the attempts are used up, and the task isn't handed on yet. A 5xx is not counted.
    NotHandedOn,
    /// 597: the handler has succeeded, and the notification isn't created yet.
    NotNotified,
    /// 500: what became of the task isn't known, or it isn't ours to judge. Not counted.
    Unknown,
    /// 503: no room to run the handler now. Not counted, and it slows the queue, as it should.
    NoRoom,
    /// 413: the body is larger than any that Cloud Tasks can send.
    TooLarge,
}

impl Answer {
    /// The HTTP status.
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Failed => 477,
            Self::NotHandedOn => 596,
            Self::NotNotified => 597,
            Self::Unknown => 500,
            Self::NoRoom => 503,
            Self::TooLarge => 413,
        }
    }

    /// A word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NotHandedOn => "not_handed_on",
            Self::NotNotified => "not_notified",
            Self::Unknown => "unknown",
            Self::NoRoom => "no_room",
            Self::TooLarge => "too_large",
        }
    }

    /// This answer, or the previous one where that was 596 or 597.
    ///
    /// For whoever turns a push away unread: the queue remembers one code only, and another word
    /// would make it forget that the handler need not run again.
    #[must_use]
    pub fn unless_remembered(self, previous: Option<u16>) -> Self {
        [Self::NotHandedOn, Self::NotNotified]
            .into_iter()
            .find(|answer| Some(answer.code()) == previous)
            .unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_not_be_forgotten_is_remembered() {
        assert_eq!(
            Answer::NoRoom.unless_remembered(Some(596)),
            Answer::NotHandedOn
        );
        assert_eq!(
            Answer::Unknown.unless_remembered(Some(597)),
            Answer::NotNotified
        );
        for previous in [None, Some(0), Some(200), Some(477), Some(500), Some(503)] {
            assert_eq!(Answer::NoRoom.unless_remembered(previous), Answer::NoRoom);
        }
    }
}
