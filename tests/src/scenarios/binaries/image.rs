//! Programs of the image, each as it was named when it was executed.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/image", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("image-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.runs("/bin/cat", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary("/bin/cat", BinaryOrigin::Image))
}
