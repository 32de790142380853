//! The worker from outside: real HTTP, the real emulator.

mod arrivals;
mod attempts;
mod bounds;
mod configuration;
mod interruptions;
mod ladder;
mod pushes;
mod stages;
