//! A name is answered with another address.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::bench::wait::Look;
use crate::bench::{Listener, until};
use crate::bypass::{Attack, Came, Destination, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/forged-names",
    Technique {
        what: "has the name of the destination resolve to another address, and connects",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

/// What the attacker wants the name to mean.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 6, 6, 6);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own_under(attack.stage().agent()?, "forged", Destination::Host)?;
    // The agent resolves the name beside its other work.
    until("the destination's name to be known", || {
        Ok(match contained.serves() {
            Ok(()) => Look::Found(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })?;
    let elsewhere = Listener::tcp4_at(ELSEWHERE)?;
    let names = format!("{ELSEWHERE} localhost\n");
    contained.container().does("write", &["/etc/hosts", "644", &names])?.went_through()?;
    let to = elsewhere.address().to_string();
    attack.leaves(&contained, &elsewhere, || contained.container().does("connect-tcp", &[&to]))
}
