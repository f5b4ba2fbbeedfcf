//! One process runs one program after the other, and each reads the secret: each program has its own row.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/one-after-the-other", PerTier::SEEN, play);

const SCRIPT: &str =
    "read -r line </etc/creds/password || true; exec /tmp/dropped do open /etc/creds/password";

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("exec-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password").by_child(&app);

    app.does("copy", &["/bin/actor", "/tmp/dropped"])?.went_through()?;
    app.runs("/bin/sh", &["-c", SCRIPT])?.went_through()?;
    stage.must_report(&app, &secret.clone().of_program("/bin/sh", BinaryOrigin::Image))?;
    stage.must_report(&app, &secret.of_program("/tmp/dropped", BinaryOrigin::Written))
}
