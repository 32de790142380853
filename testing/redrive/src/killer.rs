//! Kills workers, the mover, and the operator.

use std::time::Duration;

use crate::testbed::Testbed;

/// Between two kills.
const PAUSE: Duration = Duration::from_millis(1500);
/// Of so many kills one is the operator's.
const OPERATORS: u32 = 4;

/// Kills one after the other.
pub struct Killer {
    random: fastrand::Rng,
    operators: u32,
    workers: u32,
    movers: u32,
}

impl Killer {
    /// One that chooses by this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            operators: 0,
            workers: 0,
            movers: 0,
        }
    }

    /// Waits, and kills.
    pub async fn kills(&mut self, bed: &mut Testbed) -> anyhow::Result<()> {
        tokio::time::sleep(PAUSE).await;
        if self.random.u32(..OPERATORS) == 0 {
            bed.operator.again().await?;
            self.operators += 1;
        } else if let Some(pod) = bed.node.kill_a_worker(self.random.usize(..100)).await {
            if pod.contains("-redrive-") {
                self.movers += 1;
            } else {
                self.workers += 1;
            }
        }
        Ok(())
    }

    /// Who was killed, in words.
    pub fn said(&self) -> String {
        let Self {
            operators,
            workers,
            movers,
            ..
        } = self;
        format!("SIGKILL for {workers} workers, {movers} movers, and {operators} operators")
    }
}
