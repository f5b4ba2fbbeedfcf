//! A connection that nobody takes was tried all the same.

use anyhow::Result;
use cofferdam_model::Protocol;
use nix::errno::Errno;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/nobody-listens", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let address = Listener::tcp4()?.address();
    let app = stage.container().start()?;

    app.does("connect-tcp", &[&address.to_string()])?.was_refused_with(Errno::ECONNREFUSED)?;
    stage.reports_connection(&connection(&app, Protocol::Tcp, address))
}
