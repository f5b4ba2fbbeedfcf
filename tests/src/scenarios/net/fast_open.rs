//! TCP that connects inside a send.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/fast-open", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::tcp4()?;
    let app = stage.container().start()?;

    app.does("fast-open", &[&listener.address().to_string()])?.went_through()?;
    stage.reports_connection(&connection(&app, Protocol::Tcp, listener.address()))
}
