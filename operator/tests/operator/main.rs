//! The operator from outside: a process, a real kube-apiserver, and the emulator. Each test applies
//! with kubectl, and looks at what a user would look at.

mod deletion;
mod edits;
mod place;
mod refusals;
mod serving;
