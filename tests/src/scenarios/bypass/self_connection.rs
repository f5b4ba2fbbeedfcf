//! A connection that both of its ends open at once, as the kernel lets a socket do with itself: nobody has accepted it.

use anyhow::Result;

use crate::bypass::{Attack, Came, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/self-connection",
    Technique {
        what: "sends over a connection from before the read that both ends have opened at once",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own("itself")?;
    let main = contained.container();
    let port = main.does("connect-self", &["itself"])?.went_through()?.parse()?;
    main.does("send-through", &["itself"])?.went_through()?;
    main.does("hold", &["secret", PASSWORD])?.went_through()?;
    attack.on(&contained, Trace::Connection(port), rule::SECRET, || main.does("send-through", &["itself"]))
}
