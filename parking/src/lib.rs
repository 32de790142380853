//! Parked tasks, as they lie in a parking queue: which of them a filter matches, how many there are of a
//! kind, and what a redrive does with them.
//!
//! This crate is pure. The operator lists a parking queue for people, and the mover (the worker's program)
//! carries out redrives; both decide with what is here.

// Layers from top to bottom: a module imports only from modules below it.
pub mod redrive;

pub mod note;

pub mod trail;

pub mod canary;

pub mod groups;

pub mod rows;

pub mod filter;

pub mod task;

mod as_text;

pub use canary::{Canary, CanaryCounts, CanaryVerdict};
pub use filter::{Filter, FilterError};
pub use groups::{Group, GroupKey, groups};
pub use note::{CanaryMember, Note, NoteKind, UnreadableNote};
pub use redrive::{
    Action, InvalidOrder, Move, NewLife, NoNewLife, RedriveOrder, RedrivePhase, RedriveProgress,
    Selection, next_root,
};
pub use rows::{ParkedRow, ParkedRows};
pub use task::{ParkedTask, UnreadableTask};
pub use trail::{Step, Trail};
