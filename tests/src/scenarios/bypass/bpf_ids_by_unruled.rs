//! A container that no policy speaks of opens a table of the agent by its number, to write to it.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

use super::unruled;
use crate::actor::Reply;
use crate::bench::{Agent, Container};
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-ids-by-unruled",
    Technique {
        what: "opens a table of the agent by its id (BPF_MAP_GET_FD_BY_ID), to write to it, from a container that no policy speaks of, \
               with CAP_SYS_ADMIN",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let agent = stage.agent()?;
    let tables = tables_of(agent)?;
    let thief = stage.container().with_capability("CAP_SYS_ADMIN").start()?;
    thief.does("bpf-map", &[])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || opens_any(&thief, &tables))
}

/// The first that it gets hold of, else the last refusal.
fn opens_any(thief: &Container, tables: &[String]) -> Result<Reply> {
    let mut refused = None;
    for id in tables {
        let reply = thief.does("bpf-map-by-id", &["table", id])?;
        if reply.ok {
            return Ok(reply);
        }
        refused = Some(reply);
    }
    refused.context("the agent has no table open")
}

/// The kernel's numbers of all tables that the agent has open, also of its programs' own variables.
fn tables_of(agent: &Agent) -> Result<Vec<String>> {
    let folder = format!("/proc/{}/fdinfo", agent.pid()?);
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {folder}"))?;
    // A descriptor may be closed meanwhile.
    let facts = entries.flatten().map(|entry| fs::read_to_string(entry.path()).unwrap_or_default());
    Ok(facts.filter_map(|facts| unruled::fact(&facts, "map_id:").map(str::to_owned)).collect())
}
