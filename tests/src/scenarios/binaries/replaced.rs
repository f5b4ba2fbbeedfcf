//! A program of the image is replaced by another under its own name.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/replaced", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("replaced-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("unlink", &["/bin/cat"])?.went_through()?;
    app.does("copy", &["/bin/actor", "/bin/cat"])?.went_through()?;
    app.runs("/bin/cat", &["do", "open", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary("/bin/cat", BinaryOrigin::Written))
}
