//! After it has read its password, an application speaks to somebody whom it has never spoken to.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, ensure};

use crate::bench::image::{SERVER, WORKER};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/read-then-new-destination", PerTier::SEEN, play).of_user_space();

/// Addresses for documentation (RFC 5737), each in the container's own network alone.
const DATABASE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);
const THIEF: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("carried-creds", &["password"])?;
    let app =
        stage.container().running(SERVER).with_secret(&creds, "/etc/creds").with_own_network().start()?;
    let others = app.starts(WORKER)?;
    let listens = |at: Ipv4Addr| {
        app.has_address(IpAddr::V4(at))?;
        others.does("listen-tcp", &[&at.to_string()])?.went_through()
    };
    let (database, thief) = (listens(DATABASE)?, listens(THIEF)?);

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.does("connect-tcp", &[&database])?.went_through()?;
    stage.habits_become_known();
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.does("connect-tcp", &[&database])?.went_through()?;
    stage.finds(&app, &[])?;

    app.does("connect-tcp", &[&thief])?.went_through()?;
    let found = stage.finds(&app, &["read-then-new-destination"])?;
    ensure!(found[0].evidence.len() == 2, "the read and the connection: {found:?}");
    ensure!(found[0].revoke, "the credential is to be revoked: {found:?}");
    Ok(())
}
