//! Where a redrive is made, and how messages name what may follow.

use crate::act::target::Target;
use crate::error::Error;
use crate::inspect::args::Place;

/// Where a redrive is made, and how messages name what may follow.
pub(super) struct Session<'a> {
    pub(super) target: Target,
    pub(super) namespace: String,
    pub(super) place: &'a Place,
    program: &'a str,
}

impl<'a> Session<'a> {
    pub(super) async fn of(place: &'a Place, program: &'a str) -> Result<Self, Error> {
        let target = Target::of(place).await?;
        Ok(Self {
            namespace: target.namespace(place),
            target,
            place,
            program,
        })
    }

    /// A command for the same chain.
    pub(super) fn command(&self, words: &str) -> String {
        let Self {
            namespace,
            place,
            program,
            ..
        } = self;
        match &place.dev {
            Some(address) => format!("{program} {words} --dev {address}"),
            None => format!("{program} {words} -n {namespace}"),
        }
    }
}
