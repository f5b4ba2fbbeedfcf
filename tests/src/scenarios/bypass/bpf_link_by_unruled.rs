//! A container that no policy speaks of takes hold of a link of the agent by its number, to detach it.

use std::fs;

use anyhow::{Context, Result, ensure};
use cofferdam_model::AttemptKind;

use super::unruled;
use crate::actor::{Hands, Reply, take};
use crate::bench::{Agent, Container};
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bpf-link-by-unruled",
    Technique {
        what: "takes hold of a link or a program of the agent by its id (BPF_LINK_GET_FD_BY_ID), to detach it, from a container that \
               no policy speaks of, with CAP_SYS_ADMIN",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees bpf(2)")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let agent = stage.agent()?;
    let link = Link::of(agent, "connect4")?;
    let thief = stage.container().with_capability("CAP_SYS_ADMIN").start()?;
    thief.does("bpf-map", &[])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::Bpf), None, || link.is_opened_by(&thief))
}

/// What the kernel calls a link and its program.
struct Link {
    id: String,
    program: String,
}

impl Link {
    fn of(agent: &Agent, program: &str) -> Result<Self> {
        let folder = agent.pins().join(agent.only_version()?).join("links");
        let generation = fs::read_dir(&folder).context("reading the links")?.flatten().next();
        let pin = generation.context("nothing is attached")?.path().join(program);
        let mut hands = Hands::default();
        let reply = take("bpf-get", &["link".to_owned(), pin.display().to_string()], &mut hands);
        ensure!(reply.ok, "the host cannot open {}: {reply:?}", pin.display());
        let number = take("number-held", &["link".to_owned()], &mut hands).output;
        let path = format!("/proc/self/fdinfo/{number}");
        let facts = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let fact = |name: &str| {
            let found = unruled::fact(&facts, name).map(str::to_owned);
            found.with_context(|| format!("no {name} in {facts}"))
        };
        Ok(Self { id: fact("link_id:")?, program: fact("prog_id:")? })
    }

    /// The first descriptor that is got, else the last refusal.
    fn is_opened_by(&self, thief: &Container) -> Result<Reply> {
        let program = thief.does("bpf-program-by-id", &["program", &self.program])?;
        if program.ok { Ok(program) } else { thief.does("bpf-link-by-id", &["link", &self.id]) }
    }
}
