//! One technique at work: what the attacker saw, what is told of it, and whether that is what must come of it.

use anyhow::{Context, Result, bail, ensure};
use cofferdam_model::{DeniedBy, Verdict};
use nix::errno::Errno;

use super::{Contained, Evidence, Kind, Outcome, Technique, Trace, Witness};
use crate::actor::Reply;
use crate::bench::wait::Look;
use crate::bench::{Container, until};
use crate::stage::Stage;

/// What came of a technique.
pub type Came = Outcome;

/// Where a technique is tried.
#[derive(Debug)]
pub struct Attack<'s, 't> {
    stage: &'s Stage<'t>,
    expected: Outcome,
}

/// What refuses without our doing: the kernel lacks what the technique needs.
const LACKS: &[Errno] = &[
    Errno::ENOSYS,
    Errno::EAFNOSUPPORT,
    Errno::EPROTONOSUPPORT,
    Errno::ESOCKTNOSUPPORT,
    Errno::EOPNOTSUPP,
    Errno::ENODEV,
];

/// What we refuse with, and what the kernel makes of it on the way.
const REFUSALS: &[Errno] = &[Errno::EPERM, Errno::EACCES];

impl Technique {
    /// Tries it.
    ///
    /// # Errors
    /// If something else comes of it than must.
    pub fn play(&self, stage: &Stage<'_>) -> Result<()> {
        let tier = stage.tier();
        let expected =
            self.outcomes.on(tier).with_context(|| format!("nothing is declared for tier {tier}"))?;
        let came = (self.attack)(&Attack { stage, expected })?;
        ensure!(came.is_like(expected), "it was {came}, and must be {expected}");
        Ok(())
    }
}

impl<'t> Attack<'_, 't> {
    /// The stage.
    pub fn stage(&self) -> &Stage<'t> {
        self.stage
    }

    /// The workload that techniques share, bound to the secret's destination since it has read it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn contained(&self, kind: Kind) -> Result<&'t Contained> {
        self.stage.contained(kind)
    }

    /// A workload of this technique's own, which has read nothing yet.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn own(&self, name: &str) -> Result<Contained> {
        Contained::new(self.stage, self.stage.agent()?, Kind::Usual, &format!("-{name}"))
    }

    /// Has steps taken on the shared workload by another program of the image: the last is the attack.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn steps(&self, trace: Trace, by: &str, steps: &[&[&str]]) -> Result<Came> {
        let contained = self.contained(Kind::Usual)?;
        self.on(contained, trace, by, || contained.attacker(steps))
    }

    /// Does something to a workload and says what came of it. A refusal counts as ours if rule `by` is told to have
    /// refused.
    ///
    /// # Errors
    /// If the attacker saw something else than is told.
    pub fn on(
        &self,
        contained: &Contained,
        trace: Trace,
        by: &str,
        attack: impl FnOnce() -> Result<Reply>,
    ) -> Result<Came> {
        self.on_container(contained.container(), (contained.policy().name(), by), trace, attack)
    }

    /// As [`Self::on`], by a process of some container; `by` is policy and rule.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn on_container(
        &self,
        container: &Container,
        by: (&str, &str),
        trace: Trace,
        attack: impl FnOnce() -> Result<Reply>,
    ) -> Result<Came> {
        let agent = self.stage.agent()?;
        let witness = agent.asked(|answers| Witness::new(answers, container.id(), trace))?;
        let seen = Seen::of(&attack()?)?;
        if seen == Seen::Lacking {
            return Ok(Outcome::Impossible("this kernel has no such thing"));
        }
        let told = self.told(&witness, container)?;
        judged(seen, told, by)
    }

    /// What is told of it, waited for unless nothing must be.
    fn told(&self, witness: &Witness, container: &Container) -> Result<Option<Evidence>> {
        let agent = self.stage.agent()?;
        let look = || Ok(agent.asked(|answers| witness.told(answers))?.into_iter().next());
        if !self.expected.is_told() {
            self.stage.everything_has_arrived(container)?;
            return look();
        }
        until("what tells of it", || {
            Ok(match look()? {
                // An access that was let through is not what tells of an attack: it may be the reader's own.
                Some(told) if told.verdict != Verdict::Allowed => Look::Found(Some(told)),
                other => Look::NotYet(format!("there is only {other:?}")),
            })
        })
    }
}

/// What the attacker saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Success,
    Refusal,
    Lacking,
}

impl Seen {
    fn of(reply: &Reply) -> Result<Self> {
        let errno = reply.errno.map(Errno::from_raw);
        match errno {
            _ if reply.ok => Ok(Self::Success),
            Some(errno) if REFUSALS.contains(&errno) => Ok(Self::Refusal),
            Some(errno) if LACKS.contains(&errno) => Ok(Self::Lacking),
            _ => bail!("it failed by itself: {} ({errno:?})", reply.output),
        }
    }
}

/// The outcome, if what the attacker saw and what is told agree.
fn judged(seen: Seen, told: Option<Evidence>, by: (&str, &str)) -> Result<Came> {
    let Some(told) = told else {
        ensure!(seen == Seen::Success, "it was refused, and nothing tells of it");
        return Ok(Outcome::Missed("nothing tells of it"));
    };
    let rule = told.rule.as_ref().map(|(policy, rule)| (policy.as_str(), rule.as_str()));
    ensure!(told.verdict == Verdict::Allowed || rule == Some(by), "not {by:?} decided: {told:?}");
    match (seen, told.verdict) {
        (Seen::Refusal, Verdict::Denied) => {
            ensure!(told.denied_by == Some(DeniedBy::Us), "not we have refused: {told:?}");
            Ok(Outcome::Denied(told.enforced_by))
        }
        (Seen::Success, Verdict::WouldDeny) => Ok(Outcome::Detected(told.answer)),
        (Seen::Success, Verdict::Allowed) => Ok(Outcome::Missed("it is told as allowed")),
        (seen, _) => bail!("the attacker saw a {seen:?}, and told is {told:?}"),
    }
}
