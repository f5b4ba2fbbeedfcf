//! What one workload shall have, and how it gets that: what concerns it is selected, compiled if that is anything new,
//! and only then is what was there before taken away.

use cofferdam_model::{AuditKind, Record, Workload};
use cofferdam_policy::{Compiled, Input, Order, Policy, RuleKind, Selection, compile, is_guarded};

use super::super::cut::remember_accepted;
use super::super::inside::{self, Inside};
use super::super::told::audit;
use super::rows::{install, is_same, limits};
use super::{Current, Enforcer, Failure, Round};
use crate::pipeline::Pipeline;

/// What is to be compiled for a workload.
pub(super) struct Wanted<'a> {
    selected: Vec<&'a Policy>,
    others: Vec<&'a Policy>,
    orders: Vec<Order>,
    pending: Option<String>,
}

/// Whether anything can be compiled for a workload.
pub(super) enum Ready<'a> {
    /// Nothing concerns it; why that may change, if it may.
    Unconcerned(Option<String>),
    /// Something does, and its root is not there yet.
    NoRoot,
    /// This, with what was found in its root.
    Yes(Wanted<'a>, Inside),
}

/// What happens to a workload that nothing concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// What the kernel has given it stays.
    Stays,
    /// It gets what newborn containers have.
    Baseline,
    /// Nothing is refused to it.
    Free,
}

impl Enforcer {
    /// Looks at one workload.
    pub(super) fn settle(
        &mut self,
        workload: &Workload,
        round: &Round<'_>,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) {
        match self.ready(workload, round, pipeline) {
            Ready::Unconcerned(pending) => self.without(workload, pending, pipeline),
            Ready::NoRoot => {
                // Without its root nobody is a reader: the baseline decides until it is there.
                let current = self.current.entry(workload.id).or_default();
                current.pending = Some("its root file system is not there yet".to_owned());
            }
            Ready::Yes(wanted, found) => self.put(workload, wanted, round, found, pipeline, records),
        }
    }

    /// What concerns it, and what that names in its root.
    pub(super) fn ready<'a>(
        &self,
        workload: &Workload,
        round: &Round<'a>,
        pipeline: &mut Pipeline,
    ) -> Ready<'a> {
        let wanted = self.wanted(workload, round);
        let concerned = !wanted.selected.is_empty()
            || !wanted.orders.is_empty()
            || wanted.others.iter().any(|policy| has_exclusive(policy));
        if !concerned {
            return Ready::Unconcerned(wanted.pending);
        }
        let last = self.current.get(&workload.id).map(|it| &it.found);
        let found = inside::look(workload, &wanted.selected, last, pipeline);
        match found.or_else(|| (!wanted.orders.is_empty()).then(Inside::default)) {
            Some(found) => Ready::Yes(wanted, found),
            None => Ready::NoRoot,
        }
    }

    fn wanted<'a>(&self, workload: &Workload, round: &Round<'a>) -> Wanted<'a> {
        let mut wanted =
            Wanted { selected: Vec::new(), others: Vec::new(), orders: Vec::new(), pending: None };
        if is_guarded(workload) {
            return wanted;
        }
        for policy in round.policies {
            match policy.selects(workload) {
                Selection::Yes => wanted.selected.push(policy),
                Selection::No => wanted.others.push(policy),
                Selection::Pending => {
                    wanted.pending = Some(format!("{} asks for names that have not arrived", policy.name()));
                }
            }
        }
        wanted.orders = self.orders.concerning(workload, &round.objects);
        wanted
    }

    /// Nothing concerns it. While names are awaited the baseline decides.
    fn without(&mut self, workload: &Workload, pending: Option<String>, pipeline: &mut Pipeline) {
        let known = self.current.get(&workload.id);
        let had = known.and_then(|it| it.compiled.as_ref()).is_some();
        let baseline = self.pending.as_ref().filter(|_| workload.kind.is_container());
        let done = match without(pending.is_some(), had, pipeline.tables.assigned(workload.id)) {
            Without::Stays => Ok(()),
            Without::Baseline => {
                let baseline = baseline.map_or(0, |baseline| baseline.generation);
                pipeline.tables.assign_baseline(workload.id, baseline)
            }
            Without::Free => pipeline.tables.assign(workload.id, 0),
        };
        if let Err(error) = done {
            return self.failed(workload, &error.to_string());
        }
        let before = self.current.remove(&workload.id);
        if let Some(Current { compiled: Some(compiled), .. }) = before {
            self.retired.push_back((crate::host::boot_time(), compiled));
        }
        if pending.is_some() {
            self.current.insert(workload.id, Current { pending, ..Current::default() });
        }
        self.failures.remove(&workload.id);
    }

    /// What is compiled for a workload.
    pub(super) fn input<'a>(
        &'a self,
        generation: u32,
        workload: &'a Workload,
        wanted: &'a Wanted<'a>,
        round: &'a Round<'_>,
        found: &'a Inside,
    ) -> Input<'a> {
        Input {
            generation,
            workload,
            policies: &wanted.selected,
            others: &wanted.others,
            objects: &round.objects,
            binaries: &found.binaries,
            names: &self.hosts.known,
            sockets: &found.sockets,
            resolvers: &self.resolvers,
            orders: &wanted.orders,
            clock: self.wall.clock(),
            now: round.now,
            tier: self.tier,
        }
    }

    /// Compiles, installs and assigns, if it is anything new.
    fn put(
        &mut self,
        workload: &Workload,
        wanted: Wanted<'_>,
        round: &Round<'_>,
        found: Inside,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) {
        let compiled = |generation| compile(&self.input(generation, workload, &wanted, round, &found));
        let known = self.current.get(&workload.id).and_then(|it| it.compiled.as_ref());
        if let Some(known) = known
            && compiled(known.generation).is_ok_and(|same| is_same(&same, known))
        {
            self.current.entry(workload.id).or_default().looked(found, wanted.pending);
            self.failures.remove(&workload.id);
            return;
        }
        let mut new = match compiled(self.next) {
            Ok(new) => new,
            Err(error) => return self.failed(workload, &error.to_string()),
        };
        // One that an agent before has assigned was there in time, or was told.
        let assigned =
            pipeline.tables.assigned(workload.id).is_some_and(|(number, decided)| decided && number != 0);
        let started = !assigned && pipeline.tables.is_started(workload.id);
        let limited = known.map_or(assigned, limits);
        if limits(&new) && !limited {
            remember_accepted(workload.id, pipeline);
        }
        self.next += 1;
        if let Err(error) = install(&mut new, workload.id, pipeline) {
            return self.failed(workload, &error.to_string());
        }
        self.failures.remove(&workload.id);
        pipeline.names.add(new.generation, new.rules.clone());
        let current = self.current.entry(workload.id).or_default();
        let is_first = current.compiled.is_none();
        let says_more = says_more(&new, current.compiled.as_ref());
        if let Some(before) = current.compiled.replace(new) {
            self.retired.push_back((round.now, before));
        }
        current.looked(found, wanted.pending);
        if says_more && (started || !is_first) {
            self.held.insert(workload.id);
        }
        if is_first && started && self.was_in_force_before(workload, &wanted.selected) {
            let detail = "its first program ran before the policy was assigned".to_owned();
            let name = workload.name().to_string();
            records.push(audit(AuditKind::LateBind, &name, Some(workload.id), None, detail, round.now));
            if let Some(current) = self.current.get_mut(&workload.id) {
                current.late = true;
            }
        }
    }

    /// Whether a policy was there before the workload was.
    fn was_in_force_before(&self, workload: &Workload, selected: &[&Policy]) -> bool {
        let born = self.wall.clock().wall(workload.since);
        self.store.in_force().iter().any(|it| {
            it.kept.applied < born && selected.iter().any(|policy| policy.name() == it.policy.name())
        })
    }

    fn failed(&mut self, workload: &Workload, error: &str) {
        tracing::error!(error, workload = %workload.name(), "a policy could not be put into force: what was enforced stays enforced");
        self.failures
            .insert(workload.id, Failure { workload: workload.name().to_string(), error: error.to_owned() });
    }
}

impl Current {
    /// Its root was looked at; what is found from within is told from what is guessed from outside.
    fn looked(&mut self, found: Inside, pending: Option<String>) {
        self.rooted |= found.rooted;
        self.pending = pending;
        // Policies that name nothing say nothing of what is there.
        if !found.is_empty() {
            self.found = found;
        }
    }
}

/// What a workload gets that nothing concerns (yet): what was refused by a policy that is gone must not be free before
/// it is known which one follows.
fn without(is_pending: bool, had: bool, assigned: Option<(u32, bool)>) -> Without {
    match (is_pending, had) {
        (true, true) => Without::Baseline,
        (true, false) => Without::Stays,
        (false, _) if assigned.is_some_and(|(generation, _)| generation != 0) => Without::Free,
        (false, _) => Without::Stays,
    }
}

/// Whether a rule speaks of secrets that did not before.
fn says_more(new: &Compiled, before: Option<&Compiled>) -> bool {
    let of_secrets = new.effective.iter().filter(|it| it.kind == RuleKind::Secret);
    let was_there = |it: &&cofferdam_policy::Effective| {
        before.is_some_and(|before| {
            before.effective.iter().any(|known| known.id == it.id && known.kind == it.kind)
        })
    };
    of_secrets.filter(|it| !was_there(it)).count() > 0
}

fn has_exclusive(policy: &Policy) -> bool {
    policy
        .rules()
        .iter()
        .any(|rule| matches!(&rule.says, cofferdam_policy::Says::Secret(secret) if secret.exclusive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_names_are_awaited_a_workload_that_had_a_policy_gets_the_baseline() {
        assert_eq!(without(true, true, Some((7, true))), Without::Baseline);
    }

    #[test]
    fn while_names_are_awaited_a_newborn_keeps_what_the_kernel_gave_it() {
        assert_eq!(without(true, false, Some((3, false))), Without::Stays);
        assert_eq!(without(true, false, Some((7, true))), Without::Stays, "an agent before has decided it");
        assert_eq!(without(true, false, None), Without::Stays);
    }

    #[test]
    fn what_no_policy_is_for_is_free() {
        assert_eq!(without(false, true, Some((7, true))), Without::Free);
        assert_eq!(without(false, false, Some((3, false))), Without::Free, "the baseline, too");
        assert_eq!(without(false, false, Some((0, true))), Without::Stays);
    }
}
