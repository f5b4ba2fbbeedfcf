//! A process takes a descriptor of a secret out of another, which opens nothing.

use anyhow::Result;
use cofferdam_model::{AccessKind, TargetRelation};

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new(
    "memory/descriptor-taken",
    PerTier::only_lsm("reads of another process's memory are not seen"),
    play,
);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("taken-creds", &["password"])?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_capability("CAP_SYS_PTRACE").start()?;

    app.does("hold", &["it", "/etc/creds/password"])?.went_through()?;
    let number = app.does("number-held", &["it"])?.went_through()?;
    app.child_does("pidfd-getfd", &["1", &number, "stolen"])?.went_through()?;
    let memory = access(&app).to_memory_of(TargetRelation::Sibling, &app, Some(app.pid())).by_child(&app);
    stage.must_report(&app, &memory)?;
    stage
        .must_report(&app, &access(&app).to(&creds, "password").by_child(&app).by_way_of(AccessKind::Receive))
}
