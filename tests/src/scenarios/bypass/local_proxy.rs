//! Through somebody else who may go further.

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{Listener, until};
use crate::bypass::{Attack, Came, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/local-proxy",
    Technique {
        what: "connects to a proxy on loopback, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let beyond = Listener::sink()?;
    let proxy = Listener::proxy_to(beyond.address())?;
    let to = proxy.address().to_string();
    let free = attack.stage().container().start()?;
    free.does("connect-held", &["way", &to])?.went_through()?;
    free.does("send-held", &["way"])?.went_through()?;
    until("the proxy to hand on what a free workload sends", || {
        let arrived = beyond.received() > 0;
        Ok(if arrived { Look::Found(()) } else { Look::NotYet("nothing has arrived".to_owned()) })
    })?;
    let before = beyond.received();
    let came = attack.reaches(&proxy, "connect-tcp", &[&to])?;
    ensure!(beyond.received() == before, "something has gone through the proxy");
    Ok(came)
}
