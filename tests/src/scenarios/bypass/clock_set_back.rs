//! The clock goes back while an exception holds.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use cofferdam_model::{AccessKind, WallTime};

use crate::bench::wait::Look;
use crate::bench::{ClockBehind, until};
use crate::bypass::{Attack, Came, Contained, Outcome, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/clock-set-back",
    Technique {
        what: "sets the clock back by an hour, so that an exception for it does not end",
        outcomes: Outcomes::lsm_or(Outcome::Impossible(
            "the clock of the machine that this was tried on is left alone",
        )),
        attack: play,
    },
);

const HOUR: Duration = Duration::from_secs(3_600);
/// How long the exception holds.
const LASTING: Duration = Duration::from_secs(8);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own("excepted")?;
    let end = Instant::now() + LASTING;
    contained.excepts_until(in_a_while()?)?;
    passes_by_exception(&contained)?;
    let Some(_behind) = ClockBehind::by(HOUR)? else {
        return Ok(Outcome::Impossible("this machine is not ours alone"));
    };
    sleep(end.saturating_duration_since(Instant::now()));
    attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        contained.attacker(&[&["open", PASSWORD]])
    })
}

fn in_a_while() -> Result<WallTime> {
    let then = SystemTime::now() + LASTING;
    let since = then.duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(WallTime::from_nanos(i64::try_from(since.as_nanos()).context("the clock is beyond its range")?))
}

fn passes_by_exception(contained: &Contained) -> Result<()> {
    until("the exception", || {
        let reply = contained.attacker(&[&["open", PASSWORD]])?;
        Ok(if reply.ok { Look::Found(()) } else { Look::NotYet(reply.output) })
    })
}
