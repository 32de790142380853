//! Why the numbers of isolation are what they are.

use crate::plot::Plot;

pub fn plot(_seed: u64) -> Plot {
    Plot { name: "isolation".into(), title: String::new(), across: String::new(), up: String::new(), lines: Vec::new(), marks: Vec::new() }
}
