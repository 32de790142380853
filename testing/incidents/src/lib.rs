//! Tests only: `tests/incidents` has real trouble in real chains, and the cause that is named first.
