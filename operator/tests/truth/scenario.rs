//! What a scenario is made of: plain data, so that a table of them can be read.

use testkit::Way;

/// One situation: what happens, step by step, and what the status must say of it.
pub struct Scenario {
    pub name: &'static str,
    pub args: &'static [&'static str],
    /// The chain that is applied and well before the first act.
    pub chain: Spec,
    pub acts: &'static [Act],
    /// How the operator stands to others.
    pub operator: Operator,
}

/// One whose chain is the orders as they are, with an operator that is alone.
pub const fn scenario(name: &'static str) -> Scenario {
    Scenario {
        name,
        args: &[],
        chain: &[],
        acts: &[],
        operator: Operator::Alone,
    }
}

impl Scenario {
    pub const fn args(self, args: &'static [&'static str]) -> Self {
        Self { args, ..self }
    }

    pub const fn chain(self, chain: Spec) -> Self {
        Self { chain, ..self }
    }

    pub const fn operator(self, operator: Operator) -> Self {
        Self { operator, ..self }
    }

    pub const fn acts(self, acts: &'static [Act]) -> Self {
        Self { acts, ..self }
    }
}

pub enum Operator {
    /// It has all rights and doesn't look for others.
    Alone,
    /// It leads those that elect a leader.
    Elected,
    /// It has the rights of a service account, at first all of them.
    ServiceAccount,
    /// It serves one more namespace.
    OfTwoNamespaces,
    /// Its API server has a CRD that lets more pass than the operator can read.
    WithALaxCrd,
}

/// Something is done, and then something is so.
pub struct Act {
    /// What is done, one after the other.
    pub done: &'static [Action],
    /// What the status has to say at some time since then, because it passes by itself.
    pub passing: &'static [Condition],
    /// What it has to say in the end.
    pub expected: Expected,
}

/// An act after which the chain is well, unless it says otherwise.
pub const fn when(done: &'static [Action]) -> Act {
    Act {
        done,
        passing: &[],
        expected: Expected::WellBut(WELL),
    }
}

impl Act {
    pub const fn passing(self, passing: &'static [Condition]) -> Self {
        Self { passing, ..self }
    }

    /// Every condition is that of a chain that is well, except these.
    pub const fn then(self, conditions: &'static [Condition]) -> Self {
        self.expecting(Expected::WellBut(conditions))
    }

    /// Nothing is known, for this reason and with these words: `CloudTasksAway: one | another`.
    pub const fn unknown(self, why: &'static str) -> Self {
        self.expecting(Expected::Unknown(why))
    }

    pub const fn old(self) -> Self {
        self.expecting(Expected::Old)
    }

    pub const fn gone(self) -> Self {
        self.expecting(Expected::Gone)
    }

    const fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

/// What the status has to say.
pub enum Expected {
    /// Every condition as that of a chain that is well, except these.
    WellBut(&'static [Condition]),
    /// Ready is False for this reason and with these words, and nothing else is known.
    Unknown(&'static str),
    /// That it is old: an edit is newer.
    Old,
    Gone,
}

pub const WELL: &[Condition] = &[];

/// A condition's status, its reason, and words of its message: `Ready=False NameTaken: one | another`.
pub type Condition = &'static str;

/// The orders with something replaced.
pub type Spec = &'static [(&'static str, &'static str)];

/// What a person, a kubelet or an accident does.
pub enum Action {
    Apply(Spec),
    /// A chain is applied in the operator's other namespace.
    ApplyElsewhere(Spec),
    /// It is deleted, and is gone.
    DeleteElsewhere(&'static str),
    /// A chain there says this.
    UntilElsewhere(&'static str, Condition),
    /// A queue has this rate now.
    HasRate(&'static str, f64),
    /// So many edits of the first stage's rate, from 301 on, as fast as the API server takes them.
    Edits(u32),
    /// A queue is changed outside the operator.
    Queue(&'static str, Hand),
    /// A task is put into a queue, where nobody takes it.
    Task(&'static str),
    /// That task ends.
    TaskEnds(&'static str),
    /// The kubelet does this with the pods of a stage.
    Pods(&'static str, Pods),
    /// A pod that does what the first stage's pods do now, whatever becomes of their Deployment.
    FormerPod,
    FormerPodEnds,
    /// The operator's way to Cloud Tasks is so.
    CloudTasks(Way),
    /// Cloud Tasks answers every call with this code of gRPC and these words.
    Refuses(u32, &'static str),
    /// From now on no list of Cloud Tasks has this queue.
    ListsLack(&'static str),
    /// An override of stage fast, with these settings.
    Override(&'static str),
    /// A queue is paused now.
    IsPaused(&'static str),
    /// kubectl succeeds with these arguments.
    Kubectl(&'static str),
    /// kubectl fails with them.
    NotKubectl(&'static str),
    /// A patch of the chain's status, of this type.
    PatchStatus(&'static str, &'static str),
    /// The API server refuses every write of a Deployment of this name; or of none.
    Policy(Option<&'static str>),
    /// The operator's service account may do this to Deployments, and all to everything else.
    Rights(&'static [&'static str]),
    Operator(Signal),
    UntilQueue(&'static str),
    Until(&'static str, &'static str),
}

pub enum Signal {
    Kill,
    Start,
}

/// A change of a queue outside the operator.
pub enum Hand {
    Create,
    Delete,
    Pause,
    Resume,
    Rate(f64),
    Attempts(i32),
    /// A header of its target; an empty one is taken off.
    Header(&'static str, &'static str),
}

/// What a kubelet and the deployment controller tell of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pods {
    /// Nothing new: they are asleep.
    Asleep,
    /// All that are asked for are ready and new.
    Ready,
    /// As `Ready` if the API server admits such a pod; else there are none.
    IfAdmitted,
    Some {
        all: i32,
        new: i32,
        ready: i32,
    },
}

impl Pods {
    /// They are there, and none gets ready.
    pub const UNREADY: Self = Self::Some {
        all: 2,
        new: 2,
        ready: 0,
    };
}
