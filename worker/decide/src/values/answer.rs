//! The status codes that the worker answers pushes with.

/// The answer to a push.
///
/// No proxy sends 477, 596 or 597 on its own. `X-CloudTasks-TaskPreviousResponse` therefore tells the
/// next dispatch what this one achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 200: nothing is left to do. Cloud Tasks deletes the task.
    Done,
    /// 477: the attempt failed. Not a 5xx, so that `TaskExecutionCount` counts it; not 429, which
    /// would throttle the queue.
    Failed,
    /// 596: the attempts are used up, and the next task is not created yet. A 5xx is not counted.
    HandOverPending,
    /// 597: the handler succeeded, and the notification is not created yet.
    NotificationPending,
    /// 500: the task's state is unknown, or the push is not for this worker. Not counted.
    Unknown,
    /// 503: no capacity to run the handler. Not counted, and it throttles the queue, as it should.
    NoCapacity,
    /// 503: the worker holds, because its handler fails for nearly all tasks. Not counted either.
    Held,
    /// 413: the body exceeds Cloud Tasks' own limit.
    TooLarge,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::HandOverPending,
        Self::NotificationPending,
        Self::Unknown,
        Self::NoCapacity,
        Self::Held,
        Self::TooLarge,
    ];

    /// The HTTP status.
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Failed => 477,
            Self::HandOverPending => 596,
            Self::NotificationPending => 597,
            Self::Unknown => 500,
            Self::NoCapacity | Self::Held => 503,
            Self::TooLarge => 413,
        }
    }

    /// The answer as metrics and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::HandOverPending => "not_handed_on",
            Self::NotificationPending => "not_notified",
            Self::Unknown => "unknown",
            Self::NoCapacity => "no_room",
            Self::Held => "held",
            Self::TooLarge => "too_large",
        }
    }

    /// This answer, unless the previous one was 596 or 597: then that one again.
    ///
    /// For pushes that are rejected before the rules see them: the queue remembers one code only, and
    /// without it the handler would run again.
    #[must_use]
    pub fn unless_pending(self, previous: Option<u16>) -> Self {
        [Self::HandOverPending, Self::NotificationPending]
            .into_iter()
            .find(|answer| Some(answer.code()) == previous)
            .unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_push_repeats_596_and_597_and_nothing_else() {
        assert_eq!(
            Answer::NoCapacity.unless_pending(Some(596)),
            Answer::HandOverPending
        );
        assert_eq!(
            Answer::Unknown.unless_pending(Some(597)),
            Answer::NotificationPending
        );
        for previous in [None, Some(0), Some(200), Some(477), Some(500), Some(503)] {
            assert_eq!(
                Answer::NoCapacity.unless_pending(previous),
                Answer::NoCapacity
            );
        }
    }
}
