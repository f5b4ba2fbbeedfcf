//! A script: what is named is the script, what runs is its interpreter.

use anyhow::Result;
use cofferdam_api::Tier;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/script", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("script-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password").by_child(&app);

    app.runs("/bin/read-secret", &["/etc/creds/password"])?.went_through()?;
    let origin = if stage.tier() == Tier::Lsm {
        BinaryOrigin::Image
    } else {
        stage.doctor_names("a script is known by its path alone")?;
        BinaryOrigin::Unknown
    };
    stage.must_report(&app, &secret.by_script("/bin/read-secret", "/bin/sh", origin))
}
