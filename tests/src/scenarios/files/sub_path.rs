//! One key of a volume, bound into a container alone, as the kubelet does for a subPath.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/sub-path", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("part-creds", &["password", "user"])?;
    let sub_path = creds.bind_sub_path("password", "app")?;
    let app = stage.container().with_folder(sub_path.path(), "/etc/password").start()?;

    app.does("open", &["/etc/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
}
