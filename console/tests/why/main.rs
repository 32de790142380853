//! What is found wrong with chains, and what isn't.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of minutes"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bad_days;
mod causes;
mod chains;
mod comparisons;
mod edges;
mod from_status;
mod mixtures;
mod near_misses;
mod onsets;
mod page_of_causes;
mod slow;
mod surges;
mod table;
mod world;
