//! A container that no policy speaks of writes to a table of the agent that it opens by its number.

use std::fs;

use anyhow::{Context, Result, bail};
use cofferdam_model::AttemptKind;

use super::unruled;
use crate::bench::Agent;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-ids-by-unruled",
    Technique {
        what: "writes to a table of the agent that it opens by its id (BPF_MAP_GET_FD_BY_ID), from a container that no policy speaks of, \
               with CAP_SYS_ADMIN",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let agent = unruled::agent(attack)?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let table = a_table_of(&agent)?;
    let thief = stage.container().with_capability("CAP_SYS_ADMIN").start()?;
    thief.does("bpf-map", &[])?.went_through()?;
    thief.does("bpf-map-by-id", &["table", &table])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || thief.does("bpf-rewrite", &["table"]))
}

/// The kernel's number of an array of eight bytes each that the agent has open.
fn a_table_of(agent: &Agent) -> Result<String> {
    let folder = format!("/proc/{}/fdinfo", agent.pid()?);
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {folder}"))?;
    for entry in entries.flatten() {
        // A descriptor may be closed meanwhile.
        let facts = fs::read_to_string(entry.path()).unwrap_or_default();
        let has = |name, value| fact(&facts, name) == Some(value);
        if has("map_type:", "2") && has("value_size:", "8") {
            return fact(&facts, "map_id:").map(str::to_owned).context("a table has no number");
        }
    }
    bail!("the agent has no such table open")
}

fn fact<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    facts.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
