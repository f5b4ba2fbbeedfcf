//! UDP over IPv6, connected.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/udp6", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::udp6()?;
    let app = stage.container().start()?;

    app.does("connect-udp", &[&listener.address().to_string()])?.went_through()?;
    stage.reports_connection(&connection(&app, Protocol::Udp, listener.address()))
}
