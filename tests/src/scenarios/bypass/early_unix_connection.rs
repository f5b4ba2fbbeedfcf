//! A connection to a unix socket of another container that was opened before the secret was read.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Outcomes, PASSWORD, Technique, Trace, UNIX_UNSEEN, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/early-unix-connection",
    Technique {
        what: "sends over a connection to a unix socket of another container from before the read",
        outcomes: Outcomes::lsm_or(UNIX_UNSEEN),
        attack: play,
    },
);

const SOCKET: &str = "/shared/proxy-from-before";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own("early-unix")?;
    let shared = attack.stage().shared_folder("contained")?;
    let proxy = attack.stage().container().with_writable(&shared, "/shared").start()?;
    proxy.does("listen-fd", &[SOCKET])?.went_through()?;
    let main = contained.container();
    main.does("connect-unix", &["early", SOCKET])?.went_through()?;
    main.does("hold", &["secret", PASSWORD])?.went_through()?;
    attack.on(&contained, Trace::Attempt(AttemptKind::Unix), rule::SECRET, || {
        main.does("copy-held", &["secret", "early"])
    })
}
