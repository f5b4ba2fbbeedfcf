//! What file permissions refuse does not reach the agent; it says so.

use anyhow::Result;
use nix::errno::Errno;

use crate::stage::{Expected, PerTier, Scenario, Stage, Went, access};

const EXPECTED: PerTier = PerTier {
    lsm: Expected::Missed("refused by file permissions"),
    tracepoint: Expected::Missed("opens that the kernel refused"),
};

pub(super) const SCENARIO: Scenario = Scenario::new("files/refused-by-permissions", EXPECTED, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("closed-creds", &["password"])?;
    creds.forbid_to_others()?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("setuid", &["1000"])?.went_through()?;
    app.does("open", &["/etc/creds/password"])?.was_refused_with(Errno::EACCES)?;
    stage.must_report(&app, &access(&app).to(&creds, "password"))
}
