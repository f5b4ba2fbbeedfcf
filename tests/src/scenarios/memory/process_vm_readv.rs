//! A process reads another's memory.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new(
    "memory/process-vm-readv",
    PerTier::only_lsm("reads of another process's memory are not seen"),
    play,
);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_capability("CAP_SYS_PTRACE").start()?;

    let address = app.does("address", &[])?.went_through()?;
    app.child_does("vm-read", &["1", &address])?.went_through()?;
    let memory = access(&app).to_memory_of(TargetRelation::Sibling, &app, Some(app.pid())).by_child(&app);
    stage.must_report(&app, &memory)
}
