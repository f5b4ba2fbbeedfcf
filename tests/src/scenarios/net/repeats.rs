//! The same destination again and again is one row with an exact count.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/repeats", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::udp4()?;
    let app = stage.container().start()?;

    app.does("connect-loop", &[&listener.address().to_string(), "200"])?.went_through()?;
    stage.reports_connection(&connection(&app, Protocol::Udp, listener.address()).times(200))
}
