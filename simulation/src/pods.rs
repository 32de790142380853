//! The pods of a stage: which one a push reaches, and whether it runs there.

use std::collections::HashMap;
use std::time::Duration;

use decide::{
    Admission, Category, CategoryId, IsolationCause, IsolationIndex, RunTicket, Sign, StageHealth,
};

use crate::design::Stage;
use crate::world::RunEnd;

/// The pods of a stage.
pub(crate) struct Pods {
    all: Vec<Pod>,
    /// What each task stands for.
    weight: u32,
    random: fastrand::Rng,
    /// Of runs in progress that a pod's health was asked for, by the task.
    tickets: HashMap<usize, RunTicket>,
}

struct Pod {
    running: u32,
    health: Option<StageHealth>,
}

/// What becomes of a push.
pub(crate) enum Reception {
    /// It runs in this pod.
    Run(usize),
    /// The pod has no free run slot.
    NoCapacity,
    /// The pod holds.
    Held,
    /// Its category is isolated.
    Isolated(IsolationCause),
}

impl Pods {
    /// Those of a stage. `isolates` says that it isolates nothing if there is no later stage to go to.
    pub fn new(stage: &Stage, isolates: bool, weight: u32) -> Self {
        let workers = stage.workers;
        let isolate = workers.isolate.filter(|_| isolates);
        let rules = isolate.map(|it| it.rules()).unwrap_or_default();
        let count = workers.pods.get();
        let pod = |place| Pod {
            running: 0,
            health: StageHealth::of(
                &rules,
                workers.hold_on_outage,
                run_slots(stage.capacity, place, count),
            ),
        };
        Self {
            all: (0..count).map(pod).collect(),
            weight,
            random: fastrand::Rng::with_seed(workers.seed),
            tickets: HashMap::new(),
        }
    }

    /// A push reaches one of them, which all together run so much at once.
    pub fn receive(
        &mut self,
        task: usize,
        category: Option<u64>,
        capacity: u32,
        now: Duration,
    ) -> Reception {
        let place = self.any();
        let slots = run_slots(capacity, place, self.count());
        let pod = &mut self.all[place as usize];
        // As a worker does it: its health is asked first, and an admitted run may still find no slot.
        let ticket = match &mut pod.health {
            None => None,
            Some(health) => {
                let category = category.map(|id| Category {
                    rule: IsolationIndex(0),
                    id: CategoryId(id),
                    label: None,
                });
                let categories: Vec<Category> = category.into_iter().collect();
                match health.admit(&task, &categories, pod.running, now) {
                    Admission::Run(ticket) => Some(ticket),
                    Admission::Held => return Reception::Held,
                    Admission::Isolated(_, cause) => return Reception::Isolated(cause),
                }
            }
        };
        if pod.running >= slots {
            if let (Some(health), Some(ticket)) = (&mut pod.health, ticket) {
                health.end(&ticket, None, now, self.random.f64());
            }
            return Reception::NoCapacity;
        }
        pod.running += self.weight;
        if let Some(ticket) = ticket {
            self.tickets.insert(task, ticket);
        }
        Reception::Run(place as usize)
    }

    /// A run was in progress before anything else happened. In which pod.
    pub fn begin_under_way(&mut self) -> usize {
        let place = self.any() as usize;
        self.all[place].running += self.weight;
        place
    }

    /// A run has ended. Whether it is the handler's fault if it has failed.
    pub fn end(&mut self, place: usize, task: usize, how: RunEnd, now: Duration) -> bool {
        let pod = &mut self.all[place];
        pod.running -= self.weight;
        let Some(health) = &mut pod.health else {
            return false;
        };
        if let Some(ticket) = self.tickets.remove(&task) {
            let sign = match how {
                RunEnd::Succeeded => Some(Sign::Well),
                RunEnd::Failed => Some(Sign::Ill),
                // By a route, which says nothing, or by a verdict, which does: one is as likely here.
                RunEnd::Left(_) => None,
            };
            health.end(&ticket, sign, now, self.random.f64());
        }
        health.blames_handler(now)
    }

    fn any(&mut self) -> u32 {
        match self.count() {
            1 => 0,
            count => self.random.u32(0..count),
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }
}

/// What one of so many pods has of a stage's capacity.
fn run_slots(capacity: u32, place: u32, count: u32) -> u32 {
    capacity / count + u32::from(place < capacity % count)
}
