//! A container that shares its neighbour's processes reads its memory.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new(
    "memory/another-container",
    PerTier::only_lsm("reads of another process's memory are not seen"),
    play,
);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().start()?;
    let thief = stage.container().sharing_processes_of(&app).with_capability("CAP_SYS_PTRACE").start()?;

    let address = app.does("address", &[])?.went_through()?;
    thief.does("vm-read", &["1", &address])?.went_through()?;
    let memory = access(&thief).to_memory_of(TargetRelation::Other, &app, Some(app.pid())).by_main(&thief);
    stage.must_report(&thief, &memory)
}
