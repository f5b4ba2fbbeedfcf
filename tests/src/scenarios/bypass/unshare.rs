//! In namespaces of the attacker's own.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/unshare",
    Technique {
        what: "opens it in user, mount, pid, cgroup, ipc and uts namespaces of its own",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["unshare", "user,mount,pid,cgroup,ipc,uts"], &["open", PASSWORD]]),
    },
);
