//! A container is handed a descriptor of another's secret, and never opens anything.

use anyhow::Result;

use crate::stage::{Expected, PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new(
    "detections/descriptor-of-another",
    PerTier::only_lsm("a descriptor of a secret handed to another process is not seen"),
    play,
);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("handed-creds", &["password"])?;
    let shared = stage.shared_folder("handed")?;
    let owner =
        stage.container().with_secret(&creds, "/etc/creds").with_writable(&shared, "/shared").start()?;
    owner.does("hold", &["it", "/etc/creds/password"])?.went_through()?;
    let thief = stage.container().with_writable(&shared, "/shared").start()?;
    stage.habits_become_known();

    thief.does("listen-fd", &["/shared/socket"])?.went_through()?;
    owner.does("send-fd", &["it", "/shared/socket"])?.went_through()?;
    thief.does("receive-fd", &["/shared/socket", "stolen"])?.went_through()?;

    match stage.expected() {
        // It has never read that secret before, either.
        Expected::Seen => stage.finds(&thief, &["descriptor-of-another", "unexpected-reader"])?,
        Expected::Missed(words) => {
            stage.doctor_names(words)?;
            stage.finds(&thief, &[])?
        }
    };
    Ok(())
}
