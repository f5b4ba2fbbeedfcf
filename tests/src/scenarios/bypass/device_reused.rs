//! The secret lies on a device number that another secret had before.

use anyhow::{Result, bail};
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Contained, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/device-reused",
    Technique {
        what: "opens it where its device number was another file system's before",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

/// Somebody else on this machine may be faster to take the number.
const TRIES: u32 = 5;

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    for n in 0..TRIES {
        if let Some(contained) = on_reused_device(attack, n)? {
            return attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
                contained.attacker(&[&["open", PASSWORD]])
            });
        }
    }
    bail!("no device number was handed out again in {TRIES} tries")
}

fn on_reused_device(attack: &Attack<'_, '_>, n: u32) -> Result<Option<Contained>> {
    let gone = attack.stage().volume(&format!("gone-before-{n}"), &["password"])?;
    let device = gone.device()?;
    drop(gone);
    let contained = attack.own(&format!("reused-{n}"))?;
    Ok((contained.secret().device()? == device).then_some(contained))
}
