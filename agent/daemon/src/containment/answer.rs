//! What is asked of policies and orders through the socket: answered by the agent's own thread, which alone changes
//! anything.

use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use cofferdam_api::{
    ApplyOptions, BackendError, Containment, ExceptionStatus, Explanation, FailOpen, OrderRequest, OrderRow,
    Peer, PolicyMode, PolicyRow, PolicyStatus, PolicyText, PolicyTexts, RuleKind, RuleStatus,
};
use cofferdam_model::{AuditKind, WallTime, Workload};
use cofferdam_policy::{Effective, Mode, Policy, Selection, exception_key};
use cofferdam_sensor::abi::hook::{Hook, Reason};

use super::cut::destroy_sockets;
use super::ending::Moment;
use super::enforcer::{Enforcer, Failure};
use super::explain;
use super::orders::{concerns, described};
use super::store::InForce;
use super::told::audit;
use super::undone::Before;
use crate::agent::Agent;
use crate::backend::Answers;
use crate::host;
use crate::pipeline::Pipeline;
use crate::threads::Message;

/// How long the agent's thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
enum Fault {
    /// The asker's mistake: nothing was changed.
    Askers(String),
    /// It went wrong here.
    Ours(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Askers(message)
    }
}

/// Where the agent's thread is asked.
#[derive(Debug, Clone)]
pub struct Line(pub SyncSender<Message>);

impl Line {
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Agent) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let work = move |agent: &mut Agent| {
            // Who asked may have gone away.
            let _ = answer.send(question(agent));
        };
        self.0.send(Message::Do(Box::new(work))).map_err(|_| BackendError::NotReady)?;
        match answered.recv_timeout(PATIENCE) {
            Ok(answer) => answer.map_err(|fault| match fault {
                Fault::Askers(message) => BackendError::BadQuestion(message.into()),
                Fault::Ours(message) => BackendError::Failed(message.into()),
            }),
            Err(RecvTimeoutError::Timeout) => {
                Err(BackendError::Failed("the agent is held up: it did not answer in 30 s".into()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(BackendError::NotReady),
        }
    }
}

impl Containment for Answers {
    fn apply_policy(
        &self,
        text: &PolicyText,
        options: ApplyOptions,
        by: Peer,
    ) -> Result<Vec<PolicyRow>, BackendError> {
        let text = text.clone();
        self.line.ask(move |agent| {
            let now = host::boot_time();
            let wall = agent.enforcer.wall.now(now);
            let policies = agent.enforcer.store.check(&text, wall)?;
            let all = agent.enforcer.store.with(&policies);
            agent.enforcer.has_room(&all, &mut agent.pipeline, now)?;
            if options.dry_run {
                let row = |policy: &Policy| dry_row(policy, &text.source, wall, by, &agent.pipeline);
                return Ok(policies.iter().map(row).collect());
            }
            let before = Before::now(agent);
            let (names, changes) = agent.enforcer.store.apply(
                &text,
                options.confirm_within,
                by,
                agent.enforcer.wall.moment(now),
            )?;
            let records = agent.enforcer.changed(changes, Some(by), now);
            agent.pipeline.add(records);
            agent.enforce(now);
            let selected = |workload: &Workload| {
                policies.iter().any(|policy| policy.selects(workload) == Selection::Yes)
            };
            before.in_force(agent, "the policy is kept", selected).map_err(Fault::Ours)?;
            let mine = |it: &&InForce| names.contains(&it.kept.name);
            Ok(agent
                .enforcer
                .store
                .in_force()
                .iter()
                .filter(mine)
                .map(|it| row(it, &agent.pipeline))
                .collect())
        })
    }

    fn confirm_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError> {
        let name = name.to_owned();
        self.line.ask(move |agent| {
            let confirmed = agent.enforcer.store.confirm(&name)?;
            let (now, subject) = (host::boot_time(), confirmed.kept.name.clone());
            let record = audit(AuditKind::PolicyConfirmed, &subject, None, Some(by), String::new(), now);
            agent.pipeline.add([record]);
            Ok(row(&confirmed, &agent.pipeline))
        })
    }

    fn remove_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError> {
        let name = name.to_owned();
        self.line.ask(move |agent| {
            let before = Before::now(agent);
            let removed = agent.enforcer.store.remove(&name)?;
            let (now, shown) = (host::boot_time(), row(&removed, &agent.pipeline));
            let detail = format!("it came from {}", removed.kept.source);
            let record = audit(AuditKind::PolicyRemoved, &removed.kept.name, None, Some(by), detail, now);
            agent.pipeline.add([record]);
            agent.enforcer.touch_all();
            agent.enforce(now);
            let selected = |workload: &Workload| removed.policy.selects(workload) == Selection::Yes;
            before.in_force(agent, "the policy is removed", selected).map_err(Fault::Ours)?;
            Ok(shown)
        })
    }

    fn policies(&self) -> Result<Vec<PolicyRow>, BackendError> {
        self.line.ask(|agent| {
            Ok(agent.enforcer.store.in_force().iter().map(|it| row(it, &agent.pipeline)).collect())
        })
    }

    fn policy_texts(&self) -> Result<PolicyTexts, BackendError> {
        self.line.ask(|agent| Ok(agent.enforcer.store.texts()))
    }

    fn policy_status(&self) -> Result<PolicyStatus, BackendError> {
        self.line.ask(|agent| Ok(status(&agent.enforcer, &agent.pipeline)))
    }

    fn explain(&self, event: &str) -> Result<Explanation, BackendError> {
        let decision = explain::find(&self.journal, event)?;
        self.line.ask(move |agent| Ok(explain::explain(decision, &agent.enforcer)))
    }

    fn contain(&self, order: &OrderRequest, by: Peer) -> Result<OrderRow, BackendError> {
        let order = order.clone();
        self.line.ask(move |agent| {
            let now = host::boot_time();
            // Not the clock that only goes forward: who gives an order reads the same one.
            let (moment, before) = (Moment { wall: WallTime::now(), boot: now }, Before::now(agent));
            let row = agent.enforcer.orders.add(&order, by, moment).map_err(|error| format!("{error:#}"))?;
            agent.pipeline.add([audit(AuditKind::Contained, &row.id, None, Some(by), described(&row), now)]);
            agent.enforcer.touch_all();
            agent.enforce(now);
            let row = if row.cut_off { cut_off(agent, &row)? } else { row };
            let done = format!("order {} is kept", row.id);
            before.in_force(agent, &done, |it| concerns(&row.scope, it)).map_err(Fault::Ours)?;
            Ok(order_row(&row, &agent.pipeline))
        })
    }

    fn release(&self, id: &str, by: Peer) -> Result<OrderRow, BackendError> {
        let id = id.to_owned();
        self.line.ask(move |agent| {
            let (now, before) = (host::boot_time(), Before::now(agent));
            let row = agent.enforcer.orders.remove(&id).map_err(|error| format!("{error:#}"))?;
            let row = row.ok_or_else(|| format!("no order in force has the id {id}"))?;
            let record = audit(AuditKind::Released, &id, None, Some(by), described(&row), now);
            agent.pipeline.add([record]);
            agent.enforcer.touch_all();
            agent.enforce(now);
            let done = format!("order {id} is released");
            before.in_force(agent, &done, |it| concerns(&row.scope, it)).map_err(Fault::Ours)?;
            Ok(order_row(&row, &agent.pipeline))
        })
    }

    fn orders(&self) -> Result<Vec<OrderRow>, BackendError> {
        self.line.ask(|agent| {
            Ok(agent.enforcer.orders.rows().iter().map(|row| order_row(row, &agent.pipeline)).collect())
        })
    }

    fn unload(&self, by: Peer) -> Result<(), BackendError> {
        self.line.ask(move |agent| {
            let now = host::boot_time();
            let detail = "every rule and order is lifted".to_owned();
            agent.pipeline.add([audit(AuditKind::Unloaded, "all", None, Some(by), detail, now)]);
            agent.unload().map_err(|error| Fault::Ours(format!("{error:#}")))
        })
    }
}

/// What is open already goes, too.
fn cut_off(agent: &mut Agent, row: &OrderRow) -> Result<OrderRow, String> {
    let live = agent.pipeline.state.workloads.iter().filter(|workload| workload.until.is_none());
    let meant = live.filter(|it| !cofferdam_policy::is_guarded(it) && concerns(&row.scope, it));
    let meant = meant.map(|workload| workload.id).collect();
    let destroyed = destroy_sockets(&meant, &agent.pipeline);
    let notes = destroyed.failures.into_iter().map(|failure| {
        format!("open sockets could not all be destroyed ({failure}): their packets are dropped all the same")
    });
    let noted = agent.enforcer.orders.note(&row.id, destroyed.sockets, notes.collect());
    Ok(noted.map_err(|error| format!("{error:#}"))?.unwrap_or_else(|| row.clone()))
}

fn mode(mode: Mode) -> PolicyMode {
    match mode {
        Mode::Observe => PolicyMode::Observe,
        Mode::Enforce => PolicyMode::Enforce,
    }
}

/// Enforcing if any rule is.
fn mode_of(policy: &Policy) -> PolicyMode {
    let enforces = policy.rules().iter().any(|rule| rule.mode == Mode::Enforce);
    if enforces { PolicyMode::Enforce } else { PolicyMode::Observe }
}

fn selected(policy: &Policy, pipeline: &Pipeline) -> Vec<String> {
    let live = pipeline.state.workloads.iter().filter(|workload| workload.until.is_none());
    let mut names: Vec<String> = live
        .filter(|workload| policy.selects(workload) == Selection::Yes)
        .map(|workload| workload.name().to_string())
        .collect();
    names.sort();
    names
}

fn split(name: &str) -> (Option<String>, String) {
    match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, name.to_owned()),
    }
}

fn row(it: &InForce, pipeline: &Pipeline) -> PolicyRow {
    let (namespace, name) = split(&it.kept.name);
    PolicyRow {
        name,
        namespace,
        mode: mode_of(&it.policy),
        origin: it.kept.origin,
        source: it.kept.source.clone(),
        applied: it.kept.applied,
        by: it.kept.by,
        rules: it.policy.rules().len() as u64,
        workloads: selected(&it.policy, pipeline),
        confirm_until: it.kept.confirm_until,
    }
}

fn dry_row(policy: &Policy, source: &str, now: WallTime, by: Peer, pipeline: &Pipeline) -> PolicyRow {
    let (namespace, name) = split(policy.name());
    PolicyRow {
        name,
        namespace,
        mode: mode_of(policy),
        origin: cofferdam_api::PolicyOrigin::Applied,
        source: source.to_owned(),
        applied: now,
        by: Some(by),
        rules: policy.rules().len() as u64,
        workloads: selected(policy, pipeline),
        confirm_until: None,
    }
}

fn order_row(row: &OrderRow, pipeline: &Pipeline) -> OrderRow {
    let live = pipeline.state.workloads.iter().filter(|workload| workload.until.is_none());
    let mut workloads: Vec<String> = live
        .filter(|workload| !cofferdam_policy::is_guarded(workload) && concerns(&row.scope, workload))
        .map(|workload| workload.name().to_string())
        .collect();
    workloads.sort();
    OrderRow { workloads, ..row.clone() }
}

fn status(enforcer: &Enforcer, pipeline: &Pipeline) -> PolicyStatus {
    let mut rules = Vec::new();
    let mut pending = Vec::new();
    for (id, current) in enforcer.current() {
        let known = pipeline.state.workloads.get(id).filter(|it| it.until.is_none());
        let Some(workload) = known else { continue };
        let name = workload.name().to_string();
        if let Some(why) = &current.pending {
            pending.push(format!("{name}: {why}"));
        }
        let effective = current.compiled.iter().flat_map(|compiled| &compiled.effective);
        rules.extend(effective.map(|it| of_rule(it, Some(&name), current.late)));
    }
    for it in enforcer.store.in_force() {
        if !rules.iter().any(|rule: &RuleStatus| rule.policy == it.policy.name()) {
            rules.extend(it.policy.rules().iter().map(|rule| RuleStatus {
                policy: it.policy.name().to_owned(),
                rule: rule.id.clone(),
                kind: kind(rule.says.kind()),
                mode: mode(rule.mode),
                workload: None,
                effective: Vec::new(),
                why: vec!["its policy selects nothing that runs here".to_owned()],
                late_bind: false,
            }));
        }
    }
    for Failure { workload, error } in enforcer.failures.values() {
        pending.push(format!("{workload}: {error}"));
    }
    rules.sort_by(|a, b| (&a.policy, &a.workload, &a.rule).cmp(&(&b.policy, &b.workload, &b.rule)));
    pending.sort();
    PolicyStatus {
        rules,
        exceptions: exceptions(enforcer),
        pending,
        refused: enforcer.store.refused().cloned().collect(),
        fail_open: fail_open(enforcer, pipeline),
    }
}

fn of_rule(it: &Effective, workload: Option<&str>, late: bool) -> RuleStatus {
    RuleStatus {
        policy: it.id.policy.clone(),
        rule: it.id.rule.clone(),
        kind: kind(it.kind),
        mode: mode(it.mode),
        workload: workload.map(str::to_owned),
        effective: it.by.clone(),
        why: it.why.clone(),
        late_bind: late,
    }
}

fn kind(kind: cofferdam_policy::RuleKind) -> RuleKind {
    use cofferdam_policy::RuleKind as Of;
    match kind {
        Of::Secret | Of::Order => RuleKind::Secret,
        Of::Destinations | Of::Egress => RuleKind::Egress,
        Of::Environment => RuleKind::Environment,
        Of::Exec => RuleKind::Exec,
        Of::Memory => RuleKind::Memory,
    }
}

fn exceptions(enforcer: &Enforcer) -> Vec<ExceptionStatus> {
    let now = enforcer.wall.now(host::boot_time());
    let mut found = Vec::new();
    for it in enforcer.store.in_force() {
        for (rule, exception) in it.policy.exceptions() {
            let key = exception_key(it.policy.name(), &rule.id, &exception.allow);
            found.push(ExceptionStatus {
                policy: it.policy.name().to_owned(),
                rule: rule.id.clone(),
                allow: exception.allow.to_string(),
                reason: exception.reason.clone(),
                owner: exception.owner.clone(),
                accepted: enforcer.store.accepted(&key).unwrap_or(it.kept.applied),
                expires: exception.expires,
                expired: exception.expires <= now,
            });
        }
    }
    found
}

/// Ways in which something could pass that should not, by hook (`None`: whichever) and reason.
const FAIL_OPEN: &[(&str, Option<Hook>, Reason, &str)] = &[
    (
        "workload_table_full",
        Some(Hook::Cgroup),
        Reason::WorkloadTableFull,
        "a new container found no room in the kernel's table of workloads: no policy reaches it",
    ),
    (
        "reads_not_counted",
        Some(Hook::Open),
        Reason::NotCounted,
        "which secrets a workload has read is not known: a policy that comes later does not bind it",
    ),
    (
        "process_table_full",
        None,
        Reason::ProcessTableFull,
        "a process found no room in the kernel's table: where it came in, and what code it has taken in, is not known",
    ),
];

fn fail_open(enforcer: &Enforcer, pipeline: &Pipeline) -> Vec<FailOpen> {
    let counters = pipeline.tables.counters().unwrap_or_default();
    let mut found: Vec<FailOpen> = FAIL_OPEN
        .iter()
        .map(|(name, hook, reason, means)| {
            let count = counters
                .iter()
                .filter(|it| hook.is_none_or(|hook| it.hook == hook) && it.reason == *reason)
                .map(|it| it.total)
                .sum();
            FailOpen { name: (*name).to_owned(), count, means: (*means).to_owned() }
        })
        .collect();
    found.push(FailOpen {
        name: "guard_gone".to_owned(),
        count: enforcer.guarding.gaps() + u64::from(enforcer.guarding.trouble().is_some()),
        means: format!(
            "the guard that holds opens of secrets back was gone, or is{}: they passed, and were told",
            enforcer.guarding.trouble().map(|trouble| format!(" ({trouble})")).unwrap_or_default()
        ),
    });
    found.push(FailOpen {
        name: "recursion_misses".to_owned(),
        count: pipeline.query.recursion_misses(),
        means:
            "the kernel left out a program because it was running already on this processor: what it should \
                have decided went through"
                .to_owned(),
    });
    let trouble = pipeline.query.links_trouble();
    found.push(FailOpen {
        name: "detached".to_owned(),
        count: pipeline.query.links_lost() + u64::from(trouble.is_some()),
        means: format!(
            "somebody took a program off the root cgroup{}: until it was attached again, within a second or so, what it \
             should have decided went through",
            trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default()
        ),
    });
    found
}
