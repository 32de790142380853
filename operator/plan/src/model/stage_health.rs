//! What a stage's workers do by themselves on a bad day.

/// What a stage's workers do by themselves on a bad day, as they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageHealth {
    /// Whether a pod holds, because its handler fails for nearly all tasks.
    pub is_held: bool,
    /// How many categories of tasks a pod isolates because they fail, such as `10-99`: the status must not
    /// change with each. None: no category.
    pub isolated: Option<&'static str>,
}
