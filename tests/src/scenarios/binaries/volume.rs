//! A program on a volume came with no image.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/volume", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("volume-creds", &["password"])?;
    let shared = stage.shared_folder("programs")?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_writable(&shared, "/shared").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("copy", &["/bin/actor", "/shared/tool"])?.went_through()?;
    app.runs("/shared/tool", &["do", "open", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary("/shared/tool", BinaryOrigin::Written))
}
