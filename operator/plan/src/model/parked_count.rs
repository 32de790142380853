//! How many tasks a parking queue keeps, as far as it is known.

/// How many tasks a parking queue keeps. A status says it in ranges, as it must not change with each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedCount {
    /// About so many: as Cloud Tasks says of the queue.
    About(u64),
    /// At least so many: counting stopped there.
    AtLeast(u64),
}

impl ParkedCount {
    /// Counting stops here: one page of a list.
    pub const ENOUGH: usize = 1000;

    /// Of so many tasks that were counted.
    pub fn counted(tasks: usize) -> Self {
        let count = u64::try_from(tasks).unwrap_or(u64::MAX);
        if tasks < Self::ENOUGH {
            Self::About(count)
        } else {
            Self::AtLeast(count)
        }
    }

    /// Whether there are none.
    pub fn is_none(self) -> bool {
        self == Self::About(0)
    }

    /// In words: `10-99 tasks`.
    pub fn text(self) -> &'static str {
        match self {
            Self::About(0) => "no task",
            Self::About(1..=9) => "1-9 tasks",
            Self::About(10..=99) => "10-99 tasks",
            Self::About(100..=999) => "100-999 tasks",
            Self::About(1000..=9999) => "1,000-9,999 tasks",
            Self::About(10_000..=99_999) => "10,000-99,999 tasks",
            Self::About(_) => "100,000 tasks or more",
            Self::AtLeast(_) => "at least 1,000 tasks",
        }
    }
}
