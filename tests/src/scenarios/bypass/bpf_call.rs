//! The workload makes programs or tables of its own in the kernel.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Kind, Outcome, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-call",
    Technique {
        what: "calls bpf(2), with CAP_BPF, in a workload under a policy",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let policy = attack.stage().contained(Kind::Usual)?.policy();
    let builder = attack.stage().container().in_cgroup(policy.name());
    let thief = builder.with_capability("CAP_BPF").start()?;
    policy.holds(&thief, &[rule::SECRET])?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || thief.does("bpf-map", &[]))
}
