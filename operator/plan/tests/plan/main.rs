//! The plan, held against a world in memory: golden transcripts of what a reviewer should read, and
//! random edits.

mod edits;
mod golden;
mod world;
