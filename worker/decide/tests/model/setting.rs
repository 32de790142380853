//! A setting: the chain, what the handler may do, and what may go wrong.

use std::time::Duration;

use cloudtasks::QueuePath;
use decide::{
    EndCause, IsolationRules, NotifierPolicy, NotifyOn, ParkingPolicy, RetryAfter, Routes,
    StagePolicy, TaskAge,
};

use crate::faults::{ALL, Always, Fault, Parking, Refuses};
use crate::handler::Handler;
use crate::state::PARKING;

/// How long a task may stay, and ages on either side of it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(100);
pub const YOUNG: TaskAge = age(1);
pub const OLD: TaskAge = age(101);
/// More than twice as old.
pub const OLDER: TaskAge = age(201);

const fn age(seconds: u64) -> TaskAge {
    TaskAge::Known {
        created: Duration::from_secs(seconds),
        dispatched: Duration::from_secs(seconds),
    }
}

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Setting {
    pub name: String,
    /// The stages' policies before an edit and, where there is one, after it. Workers of both
    /// take dispatches, in any mixture.
    pub releases: Vec<Vec<StagePolicy>>,
    /// From this hop on all workers are of the last release.
    pub rolled_out_by: u8,
    pub handler: Vec<Handler>,
    pub faults: Vec<Fault>,
    pub budget: u8,
    /// The answers of other parties in the worker's place.
    pub codes: Vec<u16>,
    pub always: Always,
    pub refuses: Refuses,
    pub parking: Parking,
    /// How many redrives may begin, and the queues of the stages that they may lead to.
    pub redrives: u8,
    pub redrives_to: Vec<u8>,
    /// Ledgers have a version that no worker here reads: a release was rolled back.
    pub newer_ledgers: bool,
    /// Another producer has used the names of the hand-overs that follow, on the first queue.
    pub squatted: bool,
    /// How often a task may be put off on a stage: then its time there is over.
    pub put_offs: u8,
    /// The owner may delete the task at any time.
    pub deletes: bool,
    /// The queues' own limit of attempts, at which they delete a task.
    pub queues_give_up_after: Option<u8>,
    /// The producer's headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Every order of the steps, none left out.
    pub all_orders: bool,
    /// Workers of before an edit don't know of the queues that came with it. What follows from
    /// that is a known limit, and breaks no promise unless this is set.
    pub strict: bool,
}

impl Setting {
    /// A ladder with these numbers of attempts: every fault may happen, twice in all.
    pub fn ladder(name: &str, attempts: &[u32]) -> Self {
        let stages: Vec<(usize, u32)> = attempts.iter().copied().enumerate().collect();
        Self {
            name: name.to_owned(),
            releases: vec![chain(&stages, &[])],
            rolled_out_by: 0,
            handler: vec![Handler::Succeeds, Handler::Fails],
            faults: ALL.to_vec(),
            budget: 2,
            codes: vec![502, 404],
            always: Always::Nothing,
            refuses: Refuses::None,
            parking: Parking::None,
            redrives: 0,
            redrives_to: Vec::new(),
            newer_ledgers: false,
            squatted: false,
            put_offs: 0,
            deletes: false,
            queues_give_up_after: None,
            headers: Vec::new(),
            all_orders: false,
            strict: false,
        }
    }

    /// An edit, whose old workers are gone by the hop `by`.
    pub fn edit(name: &str, old: Vec<StagePolicy>, new: Vec<StagePolicy>, by: u8) -> Self {
        Self {
            releases: vec![old, new],
            rolled_out_by: by,
            ..Self::ladder(name, &[1])
        }
    }

    pub fn budget(self, budget: u8) -> Self {
        Self { budget, ..self }
    }

    pub fn faults(self, faults: &[Fault]) -> Self {
        let faults = faults.to_vec();
        Self { faults, ..self }
    }

    /// The same without the faults that let two dispatches of a task be in flight at once. What the
    /// rules promise only then is checked on every path of such a setting.
    pub fn one_at_a_time(self) -> Self {
        let overlaps = [Fault::HungUp, Fault::Twice, Fault::SamePod];
        let faults = self.faults.iter().copied();
        let faults = faults.filter(|fault| !overlaps.contains(fault)).collect();
        Self {
            name: self.name + "; one dispatch at a time",
            faults,
            ..self
        }
    }

    pub fn handler(self, handler: &[Handler]) -> Self {
        let handler = handler.to_vec();
        Self { handler, ..self }
    }

    pub fn routes(mut self, stage: usize, routes: &str) -> Self {
        let routes: Routes = serde_json::from_str(routes).unwrap();
        self.releases[0][stage].routes = routes;
        self
    }

    /// Tasks of the first stage may be isolated, and then go to this queue.
    pub fn isolates(mut self, to: usize) -> Self {
        let rules = format!(r#"[{{"header": "X-Tenant", "to": "{}"}}]"#, queue_path(to));
        self.releases[0][0].isolation = serde_json::from_str(&rules).unwrap();
        self
    }

    /// The handler says when the task comes again, on each stage so often at most.
    pub fn put_offs(self, put_offs: u8) -> Self {
        Self { put_offs, ..self }
    }

    /// What ends for these causes is parked.
    pub fn parks(mut self, keep: &[EndCause]) -> Self {
        for policy in self.releases.iter_mut().flatten() {
            policy.parking = Some(parking(keep));
        }
        Self {
            parking: Parking::Takes,
            ..self
        }
    }

    /// What is parked may be redriven so often, to these queues.
    pub fn redriven(self, redrives: u8, to: &[u8]) -> Self {
        Self {
            redrives,
            redrives_to: to.to_vec(),
            ..self
        }
    }

    /// Movers die, and more than one may be there.
    pub fn movers_fail(mut self) -> Self {
        self.faults.extend([Fault::MoverDies, Fault::TwoMovers]);
        self
    }

    /// Workers may hold when a task arrives, and when a run ends.
    pub fn holds(mut self) -> Self {
        self.faults.extend([Fault::Held, Fault::Holding]);
        self
    }

    /// How long a task has been on its stage that was put off so often.
    pub fn stayed(&self, later: u8) -> Duration {
        let over = later > 0 && later >= self.put_offs;
        if over {
            GIVE_UP_AFTER
        } else {
            Duration::from_secs(later.into())
        }
    }

    /// Whether a run may turn out to be no attempt.
    pub fn counts_exactly(&self) -> bool {
        self.put_offs > 0 || self.faults.contains(&Fault::Holding)
    }

    /// Whether a task may stay until A4 ends it: only a newer worker could read its ledger, or it
    /// can't be put off.
    pub fn waits_until_old(&self) -> bool {
        self.newer_ledgers || (self.put_offs > 0 && self.refuses == Refuses::All)
    }

    pub fn told(mut self, on: NotifyOn) -> Self {
        for policy in self.releases.iter_mut().flatten() {
            policy.notifier.as_mut().unwrap().on = on;
        }
        self
    }

    /// The policy of the release's worker on this queue. A queue that the edit has removed keeps
    /// its old workers.
    pub fn policy(&self, release: u8, queue: u8) -> Option<&StagePolicy> {
        let path = queue_path(usize::from(queue));
        let mut releases = self.releases[..=usize::from(release)].iter().rev();
        releases.find_map(|policies| policies.iter().find(|policy| policy.queue == path))
    }

    /// The least and the most attempts that any worker of this queue allows.
    pub fn attempts(&self, queue: u8) -> (u8, u8) {
        let path = queue_path(usize::from(queue));
        let of_queue = |policy: &&StagePolicy| policy.queue == path;
        let all = self.releases.iter().flatten().filter(of_queue);
        let all = all.map(|policy| u8::try_from(policy.max_attempts.get()).unwrap());
        let least = all.clone().min().unwrap_or_default();
        (least, all.max().unwrap_or_default())
    }
}

pub fn queue_path(index: usize) -> QueuePath {
    let id = match index {
        0 => "incoming".to_owned(),
        4 => "notifier".to_owned(),
        5 => "parked".to_owned(),
        _ => format!("incoming-{}", index + 1),
    };
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

/// Parking of what ends for these causes.
pub fn parking(keep: &[EndCause]) -> ParkingPolicy {
    ParkingPolicy {
        queue: queue_path(PARKING.into()),
        keep: keep.iter().copied().collect(),
    }
}

/// The policies of a chain: queue and attempts of each stage in order, and the queues that it had.
pub fn chain(stages: &[(usize, u32)], retired: &[usize]) -> Vec<StagePolicy> {
    let queues: Vec<QueuePath> = stages.iter().map(|(queue, _)| queue_path(*queue)).collect();
    let retired = retired.iter().map(|queue| queue_path(*queue));
    let lookup_queues: Vec<QueuePath> = queues.iter().cloned().chain(retired).collect();
    let policy = |(index, (_, attempts)): (usize, &(usize, u32))| StagePolicy {
        chain: "orders".into(),
        stage: format!("stage-{index}").parse().unwrap(),
        queue: queues[index].clone(),
        max_attempts: (*attempts).try_into().unwrap(),
        downstream: queues.get(index + 1).cloned(),
        lookup_queues: lookup_queues.clone(),
        notifier: Some(NotifierPolicy {
            queue: queue_path(4),
            url: "http://client/events".into(),
            retired: Vec::new(),
            on: NotifyOn {
                succeeded: true,
                failed: true,
            },
        }),
        parking: None,
        retired_parking: Vec::new(),
        give_up_after: GIVE_UP_AFTER,
        routes: Routes::default(),
        isolation: IsolationRules::default(),
        tell_categories: false,
        hold_on_outage: None,
        retry_after: RetryAfter::Follow,
    };
    stages.iter().enumerate().map(policy).collect()
}
