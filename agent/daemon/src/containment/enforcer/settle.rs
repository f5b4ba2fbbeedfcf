//! What one workload shall have, and how it gets that: what concerns it is selected, compiled if that is anything new,
//! and only then is what was there before taken away.

use std::collections::BTreeSet;

use cofferdam_model::{AuditKind, Record, Workload};
use cofferdam_policy::{Compiled, Input, Order, Policy, RuleKind, Selection, compile, is_guarded};

use super::super::cut::remember_accepted;
use super::super::inside::{self, Inside};
use super::super::told::audit;
use super::rows::{install, is_same, limits};
use super::{Current, Enforcer, Round};
use crate::pipeline::Pipeline;

/// What is to be compiled for a workload.
struct Wanted<'a> {
    selected: Vec<&'a Policy>,
    others: Vec<&'a Policy>,
    orders: Vec<Order>,
    pending: Option<String>,
}

impl Enforcer {
    /// Looks at one workload; `true` if it has another generation now.
    pub(super) fn settle(
        &mut self,
        workload: &Workload,
        round: &Round<'_>,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) -> bool {
        let wanted = self.wanted(workload, round);
        let concerned = !wanted.selected.is_empty()
            || !wanted.orders.is_empty()
            || wanted.others.iter().any(|policy| has_exclusive(policy));
        if !concerned {
            return self.without(workload, wanted.pending, pipeline);
        }
        let found = inside::look(workload, &wanted.selected, pipeline);
        let Some(found) = found.or_else(|| (!wanted.orders.is_empty()).then(Inside::default)) else {
            // Without its root nobody is a reader: the baseline decides until it is there.
            let current = self.current.entry(workload.id).or_default();
            current.pending = Some("its root file system is not there yet".to_owned());
            return false;
        };
        self.put(workload, &wanted, round, &found, pipeline, records)
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

    /// Nothing concerns it. While names are awaited the kernel's baseline stays.
    fn without(&mut self, workload: &Workload, pending: Option<String>, pipeline: &mut Pipeline) -> bool {
        let is_pending = pending.is_some();
        let known = self.current.get(&workload.id);
        let had = known.and_then(|it| it.compiled.as_ref()).is_some();
        let assigned = pipeline.tables.assigned(workload.id);
        if is_pending && !had {
            self.current.entry(workload.id).or_default().pending = pending;
            return false;
        }
        if assigned.is_some_and(|(generation, _)| generation != 0)
            && let Err(error) = pipeline.tables.assign(workload.id, 0)
        {
            self.failed(workload, &error.to_string());
            return false;
        }
        if let Some(Current { compiled: Some(compiled), .. }) = self.current.remove(&workload.id) {
            self.retired.push_back((crate::host::boot_time(), compiled));
        }
        self.failures.remove(workload.name().as_str());
        false
    }

    /// Compiles, installs and assigns, if it is anything new.
    fn put(
        &mut self,
        workload: &Workload,
        wanted: &Wanted<'_>,
        round: &Round<'_>,
        found: &Inside,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) -> bool {
        let none = BTreeSet::new();
        let input = |generation: u32| Input {
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
            read: round.reads.get(&workload.id).unwrap_or(&none),
            tier: self.tier,
        };
        let known = self.current.get(&workload.id).and_then(|it| it.compiled.as_ref());
        if let Some(known) = known
            && compile(&input(known.generation)).is_ok_and(|same| is_same(&same, known))
        {
            let current = self.current.entry(workload.id).or_default();
            current.rooted |= found.rooted;
            current.pending.clone_from(&wanted.pending);
            return false;
        }
        let compiled = match compile(&input(self.next)) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.failed(workload, &error.to_string());
                return false;
            }
        };
        self.next += 1;
        // One that an agent before has assigned was there in time, or was told.
        let assigned =
            pipeline.tables.assigned(workload.id).is_some_and(|(number, decided)| decided && number != 0);
        let started = !assigned && pipeline.tables.is_started(workload.id);
        let limited = known.is_some_and(limits) || assigned;
        if limits(&compiled) && !limited {
            remember_accepted(workload.id, pipeline);
        }
        if let Err(error) = install(&compiled, workload.id, pipeline) {
            self.failed(workload, &error.to_string());
            return false;
        }
        self.failures.remove(workload.name().as_str());
        pipeline.names.add(compiled.generation, compiled.rules.clone());
        let current = self.current.entry(workload.id).or_default();
        let is_first = current.compiled.is_none();
        let says_more = says_more(&compiled, current.compiled.as_ref());
        if let Some(before) = current.compiled.replace(compiled) {
            self.retired.push_back((round.now, before));
        }
        current.rooted |= found.rooted;
        current.pending.clone_from(&wanted.pending);
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
        true
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
        self.failures.insert(workload.name().to_string(), error.to_owned());
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
