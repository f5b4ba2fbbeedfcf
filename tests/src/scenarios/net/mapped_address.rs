//! An IPv6 socket connects to an IPv4 address: reported as what is reached.

use anyhow::Result;
use cofferdam_model::Protocol;

use crate::bench::Listener;
use crate::stage::{PerTier, Scenario, Stage, Went, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("net/mapped-address", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let listener = Listener::tcp4()?;
    let app = stage.container().start()?;

    let port = listener.address().port();
    app.does("connect-tcp", &[&format!("[::ffff:127.0.0.1]:{port}")])?.went_through()?;
    stage.reports_connection(&connection(&app, Protocol::Tcp, listener.address()).family(6))
}
