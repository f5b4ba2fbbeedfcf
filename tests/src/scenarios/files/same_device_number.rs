//! A tmpfs is unmounted and another gets its device number: what lies in that is no secret, until it is one.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/same-device-number", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut creds = stage.volume("gone-creds", &["password"])?;
    let device = creds.device()?;
    creds.unmount();
    let other = stage.tmpfs_of_device(device)?;
    other.write("password", "an ordinary file")?;
    let app = stage.container().with_folder(other.path(), "/data").start()?;

    app.does("open", &["/data/password"])?.went_through()?;
    stage.says_nothing_of(&app, &access(&app).to(&creds, "password"))?;
    let stale = stage.ledger()?.counted("stale_filesystem");
    app.does("open", &["/data/password"])?.went_through()?;
    stage.everything_has_arrived(&app)?;
    anyhow::ensure!(stage.ledger()?.counted("stale_filesystem") == stale, "the stale key was not retired");
    drop((app, other));

    creds.mount_on_device(device)?;
    stage.is_found(&creds)?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
}
