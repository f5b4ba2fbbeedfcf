//! A connection after a secret was read names the secret.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/after-a-secret", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::tcp4()?;
    let creds = stage.volume("tainting-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.does("connect-tcp", &[&listener.address().to_string()])?.went_through()?;
    let tainted =
        connection(&app, Protocol::Tcp, listener.address()).tainted_by("volume/tainting-creds:password");
    stage.reports_connection(&tainted)
}
