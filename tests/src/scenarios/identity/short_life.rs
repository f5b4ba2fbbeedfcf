//! A container that starts, reads its secret and ends at once.

use anyhow::Result;
use cofferdam_model::SecretKind;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/short-life", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("short-creds", &["password"])?;
    for _ in 0..5 {
        let (job, reply) =
            stage.container().with_secret(&creds, "/etc/creds").run_once("open", &["/etc/creds/password"])?;
        reply.went_through()?;
        stage.must_report(&job, &access(&job).to(&creds, "password").by_main(&job))?;
    }

    let plain = stage.plain_secret("short", &["password"])?;
    let (job, reply) = stage
        .container()
        .with_secret(&plain, "/run/secrets/short")
        .run_once("open", &["/run/secrets/short/password"])?;
    reply.went_through()?;
    anyhow::ensure!(plain.kind() == SecretKind::RunSecrets, "the bench has made another kind");
    stage.must_report(&job, &access(&job).to(&plain, "password").by_main(&job))
}
