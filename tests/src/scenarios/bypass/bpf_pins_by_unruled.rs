//! A container that no policy speaks of sees the agent's pins and opens one, to write to it.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use super::agent_pins::pin;
use super::unruled;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-pins-by-unruled",
    Technique {
        what: "opens a table of the agent by its pin (BPF_OBJ_GET), to write to it, from a container that no policy speaks of, with \
               CAP_SYS_ADMIN and the pins mounted",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let agent = stage.agent()?;
    let pins = agent.pins();
    let pin = pin(&pins)?;
    let thief = stage.container().with_capability("CAP_SYS_ADMIN").with_writable(&pins, "/pins").start()?;
    // It may be the node's network, and make its own.
    thief.does("bpf-map", &[])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || thief.does("bpf-get", &["table", &pin]))
}
