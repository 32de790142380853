//! What the page says of it.

/// For the page.
pub const ABOUT: &str = "\
PLACEHOLDER
";
