//! The exit codes of `why`.

/// Findings.
pub const FINDINGS: u8 = 2;
/// Nothing was found, and not everything is known.
pub const CANT_TELL: u8 = 3;
/// Nothing was found, and a right is missing.
pub const NO_RIGHTS: u8 = 4;
