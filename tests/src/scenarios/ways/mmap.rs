//! A secret is mapped into memory. The open before is seen everywhere.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("ways/mmap", PerTier::only_lsm("a mapping of an inherited descriptor is not seen"), play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("mapped-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password").by_main(&app);

    app.does("open-mmap", &["/etc/creds/password"])?.went_through()?;
    stage.reports(&secret)?;
    stage.must_report(&app, &secret.by_way_of(AccessKind::Mmap))
}
