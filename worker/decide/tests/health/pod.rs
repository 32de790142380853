//! A pod with a clock, whose runs take no time unless a test says so.

use std::time::Duration;

use cloudtasks::QueuePath;
use decide::{
    Admission, Category, IsolationCause, IsolationRules, RetryAfter, Routes, RunTicket, Sign,
    StageHealth, StagePolicy,
};
use http::{HeaderMap, HeaderName};

pub use decide::Sign::{Ill, Well};

pub const SLOTS: u32 = 100;
pub const FAILURES: &str = r#""failures": {"of": 16, "atLeast": 12}"#;
pub const SHARE: &str = r#""maxShare": 25"#;

pub struct Pod {
    pub health: StageHealth,
    pub now: Duration,
    policy: StagePolicy,
    tasks: u64,
}

impl Pod {
    /// A pod of a stage with one rule of these fields, for the header `X-Tenant`.
    pub fn isolating(fields: &str) -> Self {
        let rules = format!(
            r#"[{{"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow", {fields}}}]"#
        );
        Self::of(policy(serde_json::from_str(&rules).unwrap(), None))
    }

    /// A pod of a stage that holds for so long at most.
    pub fn holding(at_most: Duration) -> Self {
        Self::of(policy(IsolationRules::default(), Some(at_most)))
    }

    pub fn of(policy: StagePolicy) -> Self {
        Self::with_slots(policy, SLOTS)
    }

    pub fn with_slots(policy: StagePolicy, slots: u32) -> Self {
        Self {
            health: StageHealth::new(&policy, slots).unwrap(),
            // Times are since any moment.
            now: Duration::from_secs(1000),
            policy,
            tasks: 0,
        }
    }

    pub fn waits(&mut self, time: Duration) {
        self.now += time;
    }

    /// A new task of this tenant asks for a run while so many slots are taken.
    pub fn asks(&mut self, tenant: &str, slots_taken: u32) -> Admission {
        self.tasks += 1;
        let task = self.tasks;
        let categories = self.categories(tenant);
        self.health.admit(&task, &categories, slots_taken, self.now)
    }

    pub fn ends(&mut self, ticket: &RunTicket, sign: Option<Sign>) {
        self.ends_at(ticket, sign, 0.0);
    }

    pub fn ends_at(&mut self, ticket: &RunTicket, sign: Option<Sign>, random: f64) {
        self.health.end(ticket, sign, self.now, random);
    }

    /// A new task of this tenant runs, and ends at once. Whether it was admitted.
    pub fn runs(&mut self, tenant: &str, sign: Sign) -> bool {
        match self.asks(tenant, 1) {
            Admission::Run(ticket) => {
                self.ends(&ticket, Some(sign));
                true
            }
            Admission::Held | Admission::Isolated(..) => false,
        }
    }

    /// A run of the task `task`, without a category. Whether it was admitted.
    pub fn runs_again(&mut self, task: u64, sign: Sign) -> bool {
        match self.health.admit(&task, &[], 1, self.now) {
            Admission::Run(ticket) => {
                self.ends(&ticket, Some(sign));
                true
            }
            Admission::Held | Admission::Isolated(..) => false,
        }
    }

    /// A run that goes on.
    pub fn begins(&mut self, tenant: &str, slots_taken: u32) -> RunTicket {
        match self.asks(tenant, slots_taken) {
            Admission::Run(ticket) => ticket,
            other => panic!("{tenant}: {other:?}"),
        }
    }

    pub fn is_isolated(&mut self, tenant: &str, slots_taken: u32) -> Option<IsolationCause> {
        match self.asks(tenant, slots_taken) {
            Admission::Isolated(_, cause) => Some(cause),
            Admission::Run(ticket) => {
                self.ends(&ticket, None);
                None
            }
            Admission::Held => panic!("no hold here"),
        }
    }

    /// How many categories are isolated.
    pub fn isolated(&self) -> usize {
        self.health.isolated(self.now).count()
    }

    pub fn holds(&self) -> bool {
        self.health.is_holding(self.now)
    }

    /// The categories of a task with this tenant; none without one.
    fn categories(&self, tenant: &str) -> Vec<Category> {
        let mut headers = HeaderMap::new();
        if !tenant.is_empty() {
            let name = HeaderName::from_static("x-tenant");
            headers.insert(name, tenant.parse().unwrap());
        }
        self.policy.isolation.categories(&headers, false)
    }
}

pub fn queue(id: &str) -> QueuePath {
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

pub fn policy(isolation: IsolationRules, hold_on_outage: Option<Duration>) -> StagePolicy {
    StagePolicy {
        chain: "orders".into(),
        stage: "fast".parse().unwrap(),
        queue: queue("incoming"),
        max_attempts: 3.try_into().unwrap(),
        downstream: Some(queue("slow")),
        lookup_queues: vec![queue("incoming"), queue("slow")],
        notifier: None,
        parking: None,
        retired_parking: Vec::new(),
        give_up_after: Duration::from_hours(1),
        routes: Routes::default(),
        isolation,
        tell_categories: false,
        hold_on_outage,
        retry_after: RetryAfter::Follow,
    }
}
