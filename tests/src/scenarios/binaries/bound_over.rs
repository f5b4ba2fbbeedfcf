//! In a user namespace a written program is bound over one of the image: the path lies, the inode does not.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/bound-over", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("bound-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("copy", &["/bin/actor", "/tmp/dropped"])?.went_through()?;
    app.does("run-bound-over", &["/tmp/dropped", "/bin/busybox", "do", "open", "/etc/creds/password"])?
        .went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary("/bin/busybox", BinaryOrigin::Written))
}
