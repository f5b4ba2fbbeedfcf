//! TCP over IPv4.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/tcp4", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::tcp4()?;
    let app = stage.container().start()?;

    app.does("connect-tcp", &[&listener.address().to_string()])?.went_through()?;
    stage.reports_connection(&connection(&app, Protocol::Tcp, listener.address()))
}
