//! What lies at `/run/secrets` of a container is found without configuration, a file system of its own or a folder of
//! the host; the container owns it.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::SecretRow;

use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, Went, access, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("files/run-secrets", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let plain = stage.plain_secret("db", &["password"])?;
    let app = stage.container().with_secret(&plain, "/run/secrets/db").start()?;

    app.does("open", &["/run/secrets/db/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&plain, "password").by_main(&app))?;
    a_folder_of_the_host_stays_a_secret(stage)
}

/// Declared by one path, and found by another once the container runs: it is there all the time.
fn a_folder_of_the_host_stays_a_secret(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.shared_folder("run-secrets")?;
    fs::write(folder.join("password"), "not-shown").context("writing a secret")?;
    let app = stage.container().with_writable(&folder, "/run/secrets").start()?;
    app.does("open", &["/run/secrets/password"])?.went_through()?;
    until("the secret of the folder", || {
        let rows = stage.agent()?.asked(|answers| answers.answer::<SecretRow>(&["secrets"]))?.rows;
        let touched_by = |row: &&SecretRow| row.accessed_by.iter().any(|name| name.contains(&app.id()[..12]));
        match rows.iter().find(touched_by) {
            Some(row) if row.until.is_none() => Ok(Look::Found(())),
            _ => Ok(Look::NotYet(format!("there are {}", listed(&rows)))),
        }
    })
}
