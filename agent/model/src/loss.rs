//! Events that the kernel produced and we could not keep. Always counted, always told.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{BootTime, WorkloadId};

words! {
    /// Why events are missing.
    LossReason: "loss reason (ring-full, over-budget, malformed, table-full, not-run, unwatched, journal-shed, journal-failed, stopped)" {
        /// The kernel's ring had no room.
        RingFull = "ring-full",
        /// The workload's budget for first events was used up: counted in the kernel, apart from losses.
        OverBudget = "over-budget",
        /// A record could not be decoded.
        Malformed = "malformed",
        /// A kernel table had no room.
        TableFull = "table-full",
        /// The kernel left a tracepoint's program out, because it was running already on that processor: what it should
        /// have told is not known. Whom it missed is found out when something is decided about them.
        NotRun = "not-run",
        /// A secret was found after its container's first program had started; counted as one each time, what was
        /// opened meanwhile is not known.
        Unwatched = "unwatched",
        /// The journal gave rows up to stay within its bounds.
        JournalShed = "journal-shed",
        /// The journal could not be written.
        JournalFailed = "journal-failed",
        /// No hook was attached.
        Stopped = "stopped",
    }
}

impl LossReason {
    /// Whether it makes an answer incomplete. What exceeded a budget is counted per secret and told apart.
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::OverBudget)
    }
}

/// Events lost between two moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// No earlier than this.
    pub since: BootTime,
    /// No later than this.
    pub until: BootTime,
    /// The hook that produced them (its name in `doctor`), or the part of the agent that lost them.
    pub hook: String,
    /// The workload; `None` if not known.
    pub workload: Option<WorkloadId>,
    /// Why.
    pub reason: LossReason,
    /// How many.
    pub count: u64,
}
