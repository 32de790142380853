//! The faults.

/// A fault. Each costs one of a setting's budget.
///
/// A worker that dies before the handler's start is a `Foreign` answer to Cloud Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Another party answers a dispatch, and no worker sees it.
    Foreign,
    /// A worker rejects a push unread, because it is at capacity or stopping.
    TurnedAway,
    /// A lookup fails.
    LookUp,
    /// No run slot is free.
    Full,
    /// The worker holds when a task arrives.
    Held,
    /// The worker holds when a run ends.
    Holding,
    /// The handler accepts no connection.
    Unreachable,
    /// The worker dies.
    Killed,
    /// A proxy answers, or the caller stops waiting, while the worker continues.
    HungUp,
    /// A create fails.
    Create,
    /// A create succeeds, and its reply is lost.
    Reply,
    /// A create takes effect after its worker has given up.
    Late,
    /// A create is refused as invalid.
    Refused,
    /// A dispatch is delivered twice.
    Twice,
    /// The next dispatch reaches the pod that still works on this one; or, where every caller
    /// hangs up, any pod while another still works.
    SamePod,
    /// The mover dies.
    MoverDies,
    /// A mover takes a parked task that another still has in its hands.
    TwoMovers,
}

/// All, but for creates that are late, workers that hold, and movers: they have their own settings.
pub const ALL: [Fault; 12] = [
    Fault::Foreign,
    Fault::TurnedAway,
    Fault::LookUp,
    Fault::Full,
    Fault::Unreachable,
    Fault::Killed,
    Fault::HungUp,
    Fault::Create,
    Fault::Reply,
    Fault::Refused,
    Fault::Twice,
    Fault::SamePod,
];

/// What goes wrong in every run, at no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Always {
    Nothing,
    /// The caller hangs up while the handler runs.
    HungUp,
    /// The worker dies while the handler runs.
    Killed,
    /// The worker holds when a task arrives. No handler runs.
    Held,
}

/// Which hand-overs and put-offs Cloud Tasks refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuses {
    None,
    /// Those that carry the ledger's details.
    Unfolded,
    All,
}

impl Refuses {
    pub fn refuse(self, folded: bool) -> bool {
        match self {
            Self::None => false,
            Self::Unfolded => !folded,
            Self::All => true,
        }
    }
}

/// The parking queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {
    /// The chain has none.
    None,
    Takes,
    /// It refuses what carries the ledger's details.
    TakesFolded,
    Refuses,
    /// There is no such queue any more.
    Gone,
}

impl Parking {
    pub fn refuses(self, folded: bool) -> bool {
        match self {
            Self::None | Self::Takes | Self::Gone => false,
            Self::TakesFolded => !folded,
            Self::Refuses => true,
        }
    }
}
