//! Categories of tasks, by a header's value.

/// The place of an isolation rule in its stage's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IsolationIndex(pub u8);

/// A header's value, hashed: values may be long, and may be secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CategoryId(pub u64);

/// A category that a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The rule that names the header.
    pub rule: IsolationIndex,
    /// The header's value.
    pub id: CategoryId,
    /// The beginning of the value, if it may be told.
    pub label: Option<Box<str>>,
}
