//! Changes: which rate is edited next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chains::{self, RATES, Rates, STAGES};

const HIGHEST: u32 = 500;

pub struct ChainRates(BTreeMap<usize, Rates>);

pub struct Change {
    pub chain: usize,
    pub stage: usize,
    pub rate: u32,
    /// What is sent.
    pub patch: Value,
}

impl ChainRates {
    pub fn new(chains: usize) -> Self {
        Self::of(0..chains)
    }

    /// Those of new chains of these numbers.
    pub fn of(chains: impl IntoIterator<Item = usize>) -> Self {
        Self(chains.into_iter().map(|chain| (chain, RATES)).collect())
    }

    pub fn chains(&self) -> usize {
        self.0.len()
    }

    pub fn rate(&self, chain: usize, stage: usize) -> u32 {
        self.0[&chain][stage]
    }

    pub fn draw(&mut self, random: &mut fastrand::Rng) -> Change {
        let mut one = self.draw_many(1, random);
        one.pop().expect("there are chains")
    }

    pub fn draw_many(&mut self, count: usize, random: &mut fastrand::Rng) -> Vec<Change> {
        let chains: Vec<usize> = self.0.keys().copied().collect();
        let chains = random.choose_multiple(chains, count);
        let changes = chains.into_iter().map(|chain| self.change(chain, random));
        changes.collect()
    }

    fn change(&mut self, chain: usize, random: &mut fastrand::Rng) -> Change {
        let stage = random.usize(..STAGES);
        let rates = self.0.entry(chain).or_insert(RATES);
        // Another one than it has.
        let rate = (rates[stage] - 1 + random.u32(1..HIGHEST)) % HIGHEST + 1;
        rates[stage] = rate;
        Change {
            chain,
            stage,
            rate,
            patch: json!({"spec": {"stages": chains::stages(chain, rates)}}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edit_changes_a_rate() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut rates = ChainRates::new(3);
        for _ in 0..2000 {
            let before = rates.0.clone();
            let change = rates.draw(&mut random);
            assert_ne!(before[&change.chain][change.stage], change.rate);
            assert!((1..=HIGHEST).contains(&change.rate));
        }
        let many = rates.draw_many(3, &mut random);
        let mut chains: Vec<usize> = many.iter().map(|it| it.chain).collect();
        chains.sort_unstable();
        assert_eq!(chains, [0, 1, 2]);
    }
}
