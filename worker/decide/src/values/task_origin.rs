//! Where the tasks of a stage come from.

/// Who created a task on the queue of this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskOrigin {
    /// A producer.
    Producer,
    /// A worker, which handed the task over from another stage.
    HandOver,
    /// A redrive, which began a new life of a parked task.
    Redrive,
}

impl TaskOrigin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::Producer, Self::HandOver, Self::Redrive];

    /// The origin as metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::HandOver => "hand_over",
            Self::Redrive => "redrive",
        }
    }
}
