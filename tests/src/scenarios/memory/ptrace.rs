//! A process takes hold of another.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("memory/ptrace", PerTier::only_lsm("reads of another process's memory are not seen"), play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_capability("CAP_SYS_PTRACE").start()?;

    app.child_does("ptrace", &["1"])?.went_through()?;
    let memory = access(&app).to_memory_of(TargetRelation::Sibling, &app, Some(app.pid())).by_child(&app);
    stage.must_report(&app, &memory)
}
