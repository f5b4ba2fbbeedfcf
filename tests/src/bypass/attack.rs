//! One technique at work: what the attacker saw, what is told of it, and whether that is what must come of it.

use anyhow::{Context, Result, bail, ensure};
use cofferdam_model::{AccessKind, AttemptKind, DeniedBy, Verdict};
use nix::errno::Errno;

use super::{
    Answer, Contained, Destination, Evidence, Kind, Outcome, PASSWORD, Technique, Trace, Witness, rule,
};
use crate::actor::Reply;
use crate::bench::wait::Look;
use crate::bench::{Agent, Container, Listener, until};
use crate::stage::{Stage, Went};
use cofferdam_api::Tier;

/// What came of a technique.
pub type Came = Outcome;

/// Policy and rule that must have decided; `None`: none of a policy.
pub type Decider<'a> = Option<(&'a str, &'a str)>;

/// Where a technique is tried.
#[derive(Debug)]
pub struct Attack<'s, 't> {
    stage: &'s Stage<'t>,
    expected: Outcome,
}

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
        ensure!(came.meets(expected, tier), "it was {came}, and must be {expected}");
        stage.nothing_fails_open()
    }
}

impl<'s, 't> Attack<'s, 't> {
    /// The stage.
    pub fn stage(&self) -> &'s Stage<'t> {
        self.stage
    }

    /// The same technique, told of by another agent than the one that scenarios share.
    pub fn told_by<'a>(&self, stage: &'a Stage<'t>) -> Attack<'a, 't> {
        Attack { stage, expected: self.expected }
    }

    /// A workload of this technique's own, which has read nothing yet.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn own(&self, name: &str) -> Result<Contained> {
        self.own_under(self.stage.agent()?, name, Destination::Address)
    }

    /// As [`Self::own`], under the policy of some agent, and with its destination named in some way.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn own_under(&self, agent: &Agent, name: &str, destination: Destination) -> Result<Contained> {
        Contained::new(self.stage, agent, Kind::Usual, destination, name)
    }

    /// Another program of the image takes steps in the shared workload; the last is to reach the secret.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn opens(&self, steps: &[&[&str]]) -> Result<Came> {
        self.touches(AccessKind::Open, rule::SECRET, steps)
    }

    /// As [`Self::opens`], where the first step takes the secret to another place or name.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn takes_away(&self, steps: &[&[&str]]) -> Result<Came> {
        self.touches(self.way_of_taking_away(), rule::SECRET, steps)
    }

    /// What tells of that: an LSM hook refuses the first step already.
    pub fn way_of_taking_away(&self) -> AccessKind {
        if self.stage.tier() == Tier::Lsm { AccessKind::Move } else { AccessKind::Open }
    }

    /// As [`Self::opens`], to touch in this way what rule `by` speaks of.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn touches(&self, how: AccessKind, by: &str, steps: &[&[&str]]) -> Result<Came> {
        let contained = self.stage.contained(Kind::Usual)?;
        self.on(contained, Trace::Access(how), by, || contained.attacker(steps))
    }

    /// As [`Self::opens`], where nothing is said of what is executed.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn opens_as_any_program(&self, program: &str, steps: &[&[&str]]) -> Result<Came> {
        let contained = self.stage.contained(Kind::AnyProgram)?;
        self.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || contained.runs(program, steps))
    }

    /// Another program of the image takes steps in the shared workload; the last is to execute what may not be.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn executes(&self, trace: Trace, steps: &[&[&str]]) -> Result<Came> {
        let contained = self.stage.contained(Kind::Usual)?;
        self.on(contained, trace, rule::EXEC, || contained.attacker(steps))
    }

    /// The program that may read the secret takes a step in the shared workload, which is bound, to reach another
    /// destination than the secret's.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn reaches(&self, elsewhere: &Listener, step: &str, args: &[&str]) -> Result<Came> {
        let contained = self.stage.contained(Kind::Usual)?;
        self.leaves(contained, elsewhere, || contained.container().does(step, args))
    }

    /// Something is done to carry the secret out of a workload that is bound.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn leaves(
        &self,
        contained: &Contained,
        elsewhere: &Listener,
        attack: impl FnOnce() -> Result<Reply>,
    ) -> Result<Came> {
        self.on(contained, Trace::Connection(elsewhere.address().port()), rule::SECRET, attack)
    }

    /// Over a connection that was opened before the secret was read, the program that may read it takes a step with
    /// `secret` and `early` in its hands: nothing of it may arrive.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn leaves_early_connection(&self, name: &str, step: &str, args: &[&str]) -> Result<Came> {
        let contained = self.own(name)?;
        let elsewhere = Listener::sink()?;
        let main = contained.container();
        main.does("connect-held", &["early", &elsewhere.address().to_string()])?.went_through()?;
        main.does("hold", &["secret", PASSWORD])?.went_through()?;
        let trace = Trace::Connection(elsewhere.address().port());
        let witness = self.watches(main, trace)?;
        let seen = Seen::of(&main.does(step, args)?)?;
        let told = self.told(&witness, main)?;
        // The kernel takes the bytes and tries for a while to send them; what counts is what arrives.
        let seen = if seen == Seen::Success && elsewhere.received() == 0 { Seen::Refusal } else { seen };
        judged(seen, told, Some((contained.policy().name(), rule::SECRET)))
    }

    /// The same over a connection to a unix socket of another container.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn leaves_early_unix_connection(&self, name: &str, step: &str) -> Result<Came> {
        let contained = self.own(name)?;
        let shared = self.stage().shared_folder("contained")?;
        let socket = format!("/shared/{name}");
        let proxy = self.stage().container().with_writable(&shared, "/shared").start()?;
        proxy.does("listen-fd", &[&socket])?.went_through()?;
        let main = contained.container();
        main.does("connect-unix", &["early", &socket])?.went_through()?;
        main.does("hold", &["secret", PASSWORD])?.went_through()?;
        self.on(&contained, Trace::Attempt(AttemptKind::Unix), rule::SECRET, || {
            main.does(step, &["secret", "early"])
        })
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
        self.by(contained.container(), trace, Some((contained.policy().name(), by)), attack)
    }

    /// As [`Self::on`], by a process of some container.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn by(
        &self,
        container: &Container,
        trace: Trace,
        decider: Decider<'_>,
        attack: impl FnOnce() -> Result<Reply>,
    ) -> Result<Came> {
        let witness = self.watches(container, trace)?;
        let reply = attack()?;
        self.judges(&witness, container, decider, &reply)
    }

    /// Remembers what has been told of a container until now.
    ///
    /// # Errors
    /// If the agent does not answer.
    pub fn watches(&self, container: &Container, trace: Trace) -> Result<Witness> {
        self.stage.agent()?.asked(|answers| Witness::new(answers, container.id(), trace))
    }

    /// Says what came of an attack.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn judges(
        &self,
        witness: &Witness,
        container: &Container,
        decider: Decider<'_>,
        reply: &Reply,
    ) -> Result<Came> {
        self.stage.nothing_fails_open()?;
        let seen = Seen::of(reply)?;
        if seen == Seen::Lacking {
            return Ok(Outcome::Impossible("this kernel has no such thing"));
        }
        let told = self.told(witness, container);
        judged(seen, told.with_context(|| format!("the attacker saw a {seen:?}"))?, decider)
    }

    /// What is told of it, waited for unless nothing must be.
    fn told(&self, witness: &Witness, container: &Container) -> Result<Option<Evidence>> {
        let agent = self.stage.agent()?;
        let look = || Ok(agent.asked(|answers| witness.told(answers))?.into_iter().next());
        if !self.expected.is_told() {
            self.stage.everything_has_arrived(container)?;
            return look();
        }
        // What must be denied is not told by what went before it.
        let may_pass = matches!(self.expected, Outcome::Detected(_));
        until("what tells of it", || {
            Ok(match look()? {
                Some(told) if told.verdict != Verdict::Allowed || (may_pass && told.tells()) => {
                    Look::Found(Some(told))
                }
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
    /// The kernel lacks what the technique needs.
    Lacking,
}

/// What is said of a kernel that lacks something.
const LACKS: &[Errno] = &[
    Errno::ENOSYS,
    Errno::EAFNOSUPPORT,
    Errno::EPROTONOSUPPORT,
    Errno::ESOCKTNOSUPPORT,
    Errno::EOPNOTSUPP,
    Errno::ENODEV,
];

/// What we refuse with, and what the kernel makes of it on the way.
const REFUSALS: &[Errno] = &[Errno::EPERM, Errno::EACCES, Errno::ETIMEDOUT];

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
fn judged(seen: Seen, told: Option<Evidence>, decider: Decider<'_>) -> Result<Came> {
    let Some(told) = told else {
        ensure!(seen == Seen::Success, "it was refused, and nothing tells of it");
        return Ok(Outcome::Missed("nothing tells of it"));
    };
    let decided = told.rule.as_ref().map(|(policy, rule)| (policy.as_str(), rule.as_str()));
    let is_decision = told.verdict != Verdict::Allowed && told.answer != Answer::Timeline;
    ensure!(!is_decision || decided == decider, "not {decider:?} decided: {told:?}");
    match (seen, told.verdict) {
        (Seen::Refusal, Verdict::Denied) => {
            ensure!(told.denied_by == Some(DeniedBy::Us), "not we have refused: {told:?}");
            Ok(Outcome::Denied(told.enforced_by))
        }
        (Seen::Success, Verdict::WouldDeny) => Ok(Outcome::Detected(told.answer)),
        (Seen::Success, Verdict::Allowed) if told.tells() => Ok(Outcome::Detected(told.answer)),
        (Seen::Success, Verdict::Allowed) if told.answer == Answer::Accesses => {
            Ok(Outcome::Allowed("it is told as that"))
        }
        (Seen::Success, Verdict::Allowed) => Ok(Outcome::Missed("it is told as allowed")),
        (seen, _) => bail!("the attacker saw a {seen:?}, and told is {told:?}"),
    }
}

/// A loop as one step: it went through if anything in it did.
///
/// # Errors
/// If most of it failed otherwise than by a refusal.
pub fn as_one(reply: Reply) -> Result<Reply> {
    let text = reply.went_through()?;
    let counts: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [through, refused, otherwise] = counts[..] else { bail!("counts are missing in `{text}`") };
    ensure!(through + refused > otherwise, "it was not what was to be tried: {text}");
    let errno = if through == 0 { Some(Errno::EPERM as i32) } else { None };
    Ok(Reply { ok: through > 0, errno, output: text })
}

#[cfg(test)]
mod tests {
    use cofferdam_model::EnforcedBy;

    use super::*;

    const DECIDER: Decider<'_> = Some(("p", "db"));

    fn told(verdict: Verdict) -> Evidence {
        Evidence {
            answer: Answer::Accesses,
            verdict,
            denied_by: (verdict == Verdict::Denied).then_some(DeniedBy::Us),
            enforced_by: EnforcedBy::Lsm,
            rule: Some(("p".to_owned(), "db".to_owned())),
            exception: false,
            count: 1,
            event: "e".to_owned(),
            tainted_by: Vec::new(),
        }
    }

    #[test]
    fn what_the_attacker_saw_and_what_is_told_must_agree() {
        let came = |seen, verdict| judged(seen, Some(told(verdict)), DECIDER);
        assert_eq!(came(Seen::Refusal, Verdict::Denied).unwrap(), Outcome::Denied(EnforcedBy::Lsm));
        assert_eq!(came(Seen::Success, Verdict::WouldDeny).unwrap(), Outcome::Detected(Answer::Accesses));
        assert!(matches!(came(Seen::Success, Verdict::Allowed).unwrap(), Outcome::Allowed(_)));
        assert!(came(Seen::Success, Verdict::Denied).is_err());
        assert!(came(Seen::Refusal, Verdict::WouldDeny).is_err());
        assert!(came(Seen::Refusal, Verdict::Allowed).is_err());
    }

    #[test]
    fn what_nothing_tells_of_is_missed_or_not_our_doing() {
        assert!(matches!(judged(Seen::Success, None, DECIDER).unwrap(), Outcome::Missed(_)));
        assert!(judged(Seen::Refusal, None, DECIDER).is_err());
    }

    #[test]
    fn another_rule_than_the_one_that_must_decide_is_wrong() {
        assert!(judged(Seen::Refusal, Some(told(Verdict::Denied)), Some(("p", "other"))).is_err());
        assert!(judged(Seen::Refusal, Some(told(Verdict::Denied)), None).is_err());
    }

    #[test]
    fn of_a_loop_a_single_success_counts() {
        let said = |text: &str| {
            as_one(Reply { ok: true, errno: None, output: text.to_owned() }).map(|reply| reply.ok).ok()
        };
        assert_eq!(said("0 went through, 9 were refused, 0 failed otherwise"), Some(false));
        assert_eq!(said("1 went through, 8 were refused, 0 failed otherwise"), Some(true));
        assert_eq!(said("0 went through, 0 were refused, 9 failed otherwise"), None);
    }
}
