//! Somebody on the host hands a container that no policy speaks of a table of the agent.

use anyhow::{Result, ensure};
use cofferdam_model::AttemptKind;

use super::agent_pins::pin;
use super::unruled;
use crate::actor::{Hands, take};
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-descriptor-by-unruled",
    Technique {
        what: "writes to a table of the agent of which it was handed a descriptor, from a container that no policy speaks of, with \
               CAP_SYS_ADMIN",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let agent = stage.agent()?;
    let shared = stage.shared_folder("handed")?;
    let thief =
        stage.container().with_capability("CAP_SYS_ADMIN").with_writable(&shared, "/shared").start()?;
    thief.does("listen-fd", &["/shared/table"])?.went_through()?;
    let table = agent.pins().join(pin(&agent.pins())?.trim_start_matches("/pins/"));
    let mut hands = Hands::default();
    for (step, args) in [
        ("bpf-get", ["table".to_owned(), table.display().to_string()]),
        ("send-fd", ["table".to_owned(), shared.join("table").display().to_string()]),
    ] {
        let reply = take(step, &args, &mut hands);
        ensure!(reply.ok, "the host could not do {step}: {reply:?}");
    }
    thief.does("receive-fd", &["/shared/table", "table"])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || thief.does("bpf-rewrite", &["table"]))
}
