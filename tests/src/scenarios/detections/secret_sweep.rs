//! One program goes through all secrets that it can find.

use anyhow::{Result, ensure};
use cofferdam_model::Contain;

use crate::bench::image::{SERVER, WORKER};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/secret-sweep", PerTier::SEEN, play).of_user_space();

const KEYS: &[&str] = &["database", "mail", "payments", "search", "storage", "webhook"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("swept-creds", KEYS)?;
    let app = stage.container().running(SERVER).with_secret(&creds, "/etc/creds").start()?;
    for key in &KEYS[..2] {
        app.does("open", &[&format!("/etc/creds/{key}")])?.went_through()?;
    }
    stage.habits_become_known();
    stage.finds(&app, &[])?;

    let thief = app.starts(WORKER)?;
    for key in KEYS {
        thief.does("open", &[&format!("/etc/creds/{key}")])?.went_through()?;
    }
    let found = stage.finds(&app, &["secret-sweep", "unexpected-reader"])?;
    let sweep = found.iter().find(|row| row.rule == "secret-sweep");
    let is_whole = |sweep: &cofferdam_model::DetectionRow| {
        sweep.evidence.len() >= 5
            && sweep.binary.as_deref() == Some(WORKER)
            && sweep.contain == Contain::Workload
    };
    ensure!(sweep.is_some_and(is_whole), "five reads of {WORKER}: {found:?}");
    Ok(())
}
