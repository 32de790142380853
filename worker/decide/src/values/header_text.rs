//! Short texts that are safe in a header and in JSON without escapes.

/// A text that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid: use 1 to 63 letters, digits, periods, hyphens and underscores")]
pub struct InvalidHeaderText(String);

/// The length is limited because the ledger holds several such texts.
pub(super) fn check(text: &str) -> Result<(), InvalidHeaderText> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(legal);
    fits.then_some(())
        .ok_or_else(|| InvalidHeaderText(text.to_owned()))
}
