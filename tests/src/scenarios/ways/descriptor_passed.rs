//! A container hands a descriptor of its secret to another, which never opens anything.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new(
    "ways/descriptor-passed",
    PerTier::only_lsm("a descriptor of a secret handed to another process is not seen"),
    play,
);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("passed-creds", &["password"])?;
    let shared = stage.shared_folder("passed")?;
    let owner =
        stage.container().with_secret(&creds, "/etc/creds").with_writable(&shared, "/shared").start()?;
    let thief = stage.container().with_writable(&shared, "/shared").start()?;

    owner.does("hold", &["it", "/etc/creds/password"])?.went_through()?;
    thief.does("listen-fd", &["/shared/socket"])?.went_through()?;
    owner.does("send-fd", &["it", "/shared/socket"])?.went_through()?;
    thief.does("receive-fd", &["/shared/socket", "stolen"])?.went_through()?;
    thief.does("read-held", &["stolen"])?.went_through()?;

    stage.reports(&access(&owner).to(&creds, "password").by_main(&owner))?;
    stage.must_report(
        &thief,
        &access(&thief).to(&creds, "password").by_main(&thief).by_way_of(AccessKind::Receive),
    )
}
