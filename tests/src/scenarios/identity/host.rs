//! Somebody on the host, outside every container, reads a container's secret.

use std::fs;

use anyhow::{Context, Result, ensure};
use cofferdam_model::{AccessRow, BinaryOrigin};

use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/host", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("host-creds", &["password"])?;

    let path = creds.folder().join("password");
    fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    until("the access of this program", || {
        let words = ["accesses", "--secret", "volume/host-creds:password"];
        let rows = stage.agent()?.asked(|answers| answers.answer::<AccessRow>(&words))?.rows;
        let own = rows.iter().find(|row| row.pid == Some(std::process::id()) && row.mode.as_str() == "read");
        let Some(row) = own else { return Ok(Look::NotYet(format!("there are {}", listed(&rows)))) };
        ensure!(row.container_id.is_none() && row.workload.is_some(), "it is of no host: {}", listed(&[row]));
        ensure!(row.binary_origin == BinaryOrigin::Host, "its binary is not the host's: {}", listed(&[row]));
        ensure!(row.exec_session.is_none() && row.count == 1, "it is reported wrongly: {}", listed(&[row]));
        Ok(Look::Found(()))
    })
}
