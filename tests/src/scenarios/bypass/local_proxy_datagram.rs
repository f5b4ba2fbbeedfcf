//! Through somebody else who may go further, by datagrams to a unix socket.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, Technique, Trace, UNIX_UNSEEN, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/local-proxy-datagram",
    Technique {
        what: "sends a datagram to a unix socket of another container, out of the permitted reader",
        outcomes: Outcomes::lsm_or(UNIX_UNSEEN),
        attack: play,
    },
);

const SOCKET: &str = "/shared/proxy-of-datagrams";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let shared = attack.stage().shared_folder("contained")?;
    let proxy = attack.stage().container().with_writable(&shared, "/shared").start()?;
    proxy.does("listen-datagrams", &["proxy", SOCKET])?.went_through()?;
    attack.on(contained, Trace::Attempt(AttemptKind::Unix), rule::SECRET, || {
        contained.container().does("send-datagram", &[SOCKET])
    })
}
