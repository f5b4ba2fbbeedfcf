//! A shipped policy as its user has edited it, in force for an ordinary instance of its workload.

use anyhow::{Context, Result, ensure};
use cofferdam_api::{RuleKind, RuleStatus, Tier};
use cofferdam_model::{DeniedBy, EnforcedBy, Verdict};
use nix::errno::Errno;

use crate::actor::Reply;
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bench::wait::Look;
use crate::bench::{Container, Policy, Secret, until};
use crate::bypass::{Evidence, PASSWORD, SECRET_AT, Trace, Witness};
use crate::stage::{Stage, Went};

/// How lines are marked that a user edits.
const YOURS: &str = "# yours";

/// The text of a shipped file, edited.
#[derive(Debug, Clone)]
pub(super) struct Edited(String);

impl Edited {
    pub(super) fn new(shipped: &str) -> Self {
        Self(shipped.to_owned())
    }

    /// Writes something else in each line that a user is to edit and that has this.
    pub(super) fn with(self, shipped: &str, own: &str) -> Result<Self> {
        let is_meant = |line: &&str| line.contains(YOURS) && line.contains(shipped);
        ensure!(self.0.lines().any(|line| is_meant(&line)), "no line to edit has `{shipped}`");
        let edit = |line: &str| if is_meant(&line) { line.replace(shipped, own) } else { line.to_owned() };
        Ok(Self(self.0.lines().map(|line| edit(line) + "\n").collect()))
    }

    /// Takes away what keeps a part from being read.
    pub(super) fn uncommented(self) -> Self {
        Self(self.0.replace("\n  # ", "\n  "))
    }

    /// Writes something else wherever this is.
    pub(super) fn everywhere(self, shipped: &str, own: &str) -> Result<Self> {
        ensure!(self.0.contains(shipped), "nothing has `{shipped}`");
        Ok(Self(self.0.replace(shipped, own)))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// A workload under a shipped policy. Its main process is the program that may.
#[derive(Debug)]
pub(super) struct Trial<'s, 't> {
    stage: &'s Stage<'t>,
    policy: Policy,
    container: Container,
    edited: Edited,
}

impl<'s, 't> Trial<'s, 't> {
    /// Puts the policy into force for a workload of our own, which is born under it. `selector` is what the file has.
    pub(super) fn new(
        stage: &'s Stage<'t>,
        shipped: &Edited,
        selector: &str,
        secret: Option<&Secret>,
        rules: &[&str],
    ) -> Result<Self> {
        let name = name_in(shipped.text())?;
        let cgroup = format!("shipped-{name}");
        let own = format!("selector: {{ cgroup: \"/{}/{cgroup}/*\" }}", stage.place().name());
        let edited = shipped.clone().with(selector, &own)?;
        let policy = Policy::apply_text(stage.place(), stage.agent()?, name, edited.text())?;
        let builder = stage.container().running(SERVER).in_cgroup(&cgroup);
        let builder = match secret {
            Some(secret) => builder.with_secret(secret, SECRET_AT),
            None => builder,
        };
        let container = builder.start()?;
        policy.holds(&container, rules)?;
        Ok(Self { stage, policy, container, edited })
    }

    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// The file as it is in force.
    pub(super) fn edited(&self) -> Edited {
        self.edited.clone()
    }

    /// The user applies the file again, with other words in it.
    pub(super) fn applies(&self, edited: &Edited) -> Result<()> {
        self.policy.says_all(edited.text())
    }

    /// The ordinary instance takes a step, and is not disturbed.
    pub(super) fn may(&self, step: &str, args: &[&str]) -> Result<()> {
        let done = self.container.does(step, args)?.went_through();
        done.with_context(|| format!("an ordinary instance is disturbed: {step} {}", args.join(" ")))
            .map(drop)
    }

    /// The ordinary instance reads its own secret.
    pub(super) fn reads_its_secret(&self) -> Result<()> {
        let read = self.container.does("open", &[PASSWORD])?.went_through();
        let read = read.context("an ordinary instance is kept from its secret")?;
        ensure!(read != "0", "an ordinary instance has read nothing of its secret");
        Ok(())
    }

    /// A process that comes from outside takes this step. Whom a rule isolates answers nobody over a unix socket, where
    /// those are seen: not even the bench.
    pub(super) fn by_session(&self, step: &str, args: &[&str]) -> Result<Reply> {
        Ok(self.container.exec_session(step, args)?.reply)
    }

    /// As [`Self::by_session`], and it is the ordinary program.
    pub(super) fn ordinary_by_session(&self, step: &str, args: &[&str]) -> Result<()> {
        let done = self.container.exec_session_by(SERVER, step, args)?.reply.went_through();
        done.with_context(|| format!("an ordinary instance is disturbed: {step} {}", args.join(" ")))
            .map(drop)
    }

    /// Another program of the image takes this step.
    pub(super) fn other_program(&self, step: &[&str]) -> Result<Reply> {
        self.container.runs(ACTOR, &[&["do"], step].concat())
    }

    /// The attack is stopped by this rule: refused, and told as that. Where nothing can enforce a rule of this kind,
    /// the agent says so.
    pub(super) fn stops(
        &self,
        (rule, kind): (&str, RuleKind),
        trace: Trace,
        attack: impl FnOnce() -> Result<Reply>,
    ) -> Result<()> {
        self.stops_somehow((rule, kind), trace, || attack()?.was_refused_with(Errno::EPERM))
    }

    /// As [`Self::stops`], and `refused` itself sees to it that the attacker is refused.
    pub(super) fn stops_somehow(
        &self,
        (rule, kind): (&str, RuleKind),
        trace: Trace,
        refused: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let by = self.enforced(rule, kind)?;
        if by == EnforcedBy::ObserveOnly {
            return Ok(());
        }
        self.denies_to(&self.container, (rule, by), trace, refused)
    }

    /// An attack by some container is refused by this rule, and told as that.
    pub(super) fn denies_to(
        &self,
        container: &Container,
        (rule, by): (&str, EnforcedBy),
        trace: Trace,
        refused: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let agent = self.stage.agent()?;
        let witness = agent.asked(|answers| Witness::new(answers, container.id(), trace))?;
        refused().with_context(|| format!("rule {rule} must stop it"))?;
        let decider = Some((self.policy.name().to_owned(), rule.to_owned()));
        let is_it = |told: &Evidence| {
            let refused = told.verdict == Verdict::Denied && told.denied_by == Some(DeniedBy::Us);
            refused && told.enforced_by == by && told.rule == decider
        };
        until("the denial", || {
            let told = agent.asked(|answers| witness.told(answers))?;
            let found = told.iter().any(is_it);
            Ok(if found { Look::Found(()) } else { Look::NotYet(format!("{rule}, {by}: {told:?}")) })
        })
    }

    /// What enforces a rule here is what this tier has for it, and `policy status` says so: with nothing to add, or
    /// with the reason why it is not more.
    pub(super) fn enforced(&self, rule: &str, kind: RuleKind) -> Result<EnforcedBy> {
        let by = enforcer(self.stage.tier(), kind);
        let digits = &self.container.id()[..12];
        let is_ours = |it: &RuleStatus| {
            it.policy == self.policy.name()
                && it.rule == rule
                && it.kind == kind
                && it.workload.as_ref().is_some_and(|workload| workload.contains(digits))
        };
        until(&format!("what enforces rule {rule}"), || {
            let status = self.stage.agent()?.asked(|answers| answers.policy_status())?;
            let ours: Vec<&RuleStatus> = status.rules.iter().filter(|it| is_ours(it)).collect();
            // Where no LSM program runs, no rule about destinations holds all of them.
            let is_whole =
                by != EnforcedBy::ObserveOnly && (self.stage.tier() == Tier::Lsm || kind != RuleKind::Egress);
            // Nothing tells of a container of runc alone before it starts: on a busy machine its first program may run
            // before its policy is there. What enforces the rule from then on is the same.
            let is_said = |it: &&RuleStatus| it.effective == [by] && it.why.is_empty() == is_whole;
            let said = !ours.is_empty() && ours.iter().all(is_said);
            if said && ours.iter().any(|it| it.late_bind) {
                println!("        late-bind: rule {rule}");
            }
            Ok(if said { Look::Found(by) } else { Look::NotYet(format!("must be {by}: {ours:?}")) })
        })
    }

    /// Nothing that could pass has passed unseen.
    pub(super) fn ends(self) -> Result<()> {
        self.stage.nothing_fails_open()?;
        self.policy.lift()
    }
}

/// What enforces rules of a kind on a tier, at best.
fn enforcer(tier: Tier, kind: RuleKind) -> EnforcedBy {
    match (tier, kind) {
        (_, RuleKind::Egress) => EnforcedBy::Cgroup,
        (Tier::Lsm, _) => EnforcedBy::Lsm,
        (_, RuleKind::Secret) => EnforcedBy::Fanotify,
        _ => EnforcedBy::ObserveOnly,
    }
}

fn name_in(text: &str) -> Result<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("metadata: { name: "));
    line.and_then(|rest| rest.strip_suffix(" }")).context("the shipped file has no name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_to_be_edited_is_edited() {
        let text = Edited::new("a: one # yours\nb: one\n").with("one", "two").unwrap();
        assert_eq!(text.text(), "a: two # yours\nb: one\n");
        assert!(text.with("one", "two").is_err());
    }

    #[test]
    fn what_is_commented_out_is_taken_in() {
        assert_eq!(Edited::new("# a\nb:\n  # c: d\n").uncommented().text(), "# a\nb:\n  c: d\n");
    }
}
