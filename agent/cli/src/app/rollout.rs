//! `policy check`, `test` and `learn`: rolling a policy out without an outage.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cofferdam_journal::Evidence;
use cofferdam_model::{Answer, Completeness, Filter, WallTime};
use cofferdam_policy::{
    Acceptance, Finding, Lesson, Policy, Refusal, Refused, Replayed, Unlearnable, learn, parse,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Run;
use super::in_force::InForce;
use crate::args::{Check, Format, Learn, Past, Replay, between};
use crate::failure::{BadUsage, Outcome};
use crate::show;
use crate::{output, policy_files};

/// What came of a replay.
#[derive(Debug, Serialize)]
pub(crate) struct Tested {
    /// By workload, binary and object.
    pub(crate) rows: Vec<Replayed>,
    /// What it was made of, without the rows.
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

/// What a replay says as a whole.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Events that would have been refused.
    pub(crate) denied: u64,
    /// Events that would have passed.
    pub(crate) allowed: u64,
    /// Events of which nobody can say.
    pub(crate) undecidable: u64,
    /// Events of workloads that no policy concerns.
    pub(crate) unconcerned: u64,
    /// How many workloads each policy selects.
    pub(crate) policies: Vec<Selects>,
    /// Start of the range.
    pub(crate) since: Option<WallTime>,
    /// End of the range.
    pub(crate) until: Option<WallTime>,
    /// How complete the journal is.
    pub(crate) completeness: Completeness,
}

/// The workloads of a policy.
#[derive(Debug, Serialize)]
pub(crate) struct Selects {
    /// The policy.
    pub(crate) policy: String,
    /// Workloads that it is for.
    pub(crate) workloads: usize,
    /// Workloads whose names have not arrived.
    pub(crate) pending: usize,
}

/// What was found in some files.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What the agent would not take.
    pub(crate) refusals: Vec<Refusal>,
    /// What is probably not meant.
    pub(crate) findings: Vec<Finding>,
    /// What was normal and would be denied.
    pub(crate) tested: Option<Tested>,
    /// Why nothing is said of the past.
    pub(crate) without_past: Option<String>,
    /// Why nothing is said of the policies in force.
    pub(crate) without_in_force: Option<String>,
    /// The policies' names.
    pub(crate) policies: Vec<String>,
}

impl Run<'_> {
    pub(super) fn check(&mut self, check: &Check, now: WallTime) -> Result<Outcome> {
        let mut checked = Checked::default();
        let texts = policy_files::read(&check.files)?;
        let in_force = match self.options.journal {
            // A copied journal tells of another time or node.
            Some(_) => InForce::default(),
            None => self.in_force(now).unwrap_or_else(|error| {
                checked.without_in_force = Some(crate::failure::in_one_line(&error));
                InForce::default()
            }),
        };
        let mut policies = Vec::new();
        for text in texts {
            let acceptance = Acceptance { now, first: &in_force.accepted };
            match parse(Path::new(&text.source), &text.text, acceptance) {
                Ok(more) => policies.extend(more),
                Err(Refused(refusals)) => checked.refusals.extend(refusals),
            }
        }
        let policies: Vec<&Policy> = policies.iter().collect();
        checked.policies = policies.iter().map(|policy| policy.name().to_owned()).collect();
        let filter = Filter { since: Some(check.since.resolve(now)), ..Filter::default() };
        let mut workloads = Vec::new();
        match self.evidence(&filter) {
            Ok(evidence) => {
                workloads.clone_from(&evidence.known().workloads);
                if checked.refusals.is_empty() {
                    checked.tested = Some(self.replay(&policies, &evidence, &check.past, now)?);
                }
            }
            // What was named is to be there.
            Err(error) if self.options.journal.is_some() => return Err(error),
            Err(error) => checked.without_past = Some(crate::failure::in_one_line(&error)),
        }
        // What is checked takes the place of what has its name.
        let is_replaced = |it: &&Policy| policies.iter().any(|policy| policy.name() == it.name());
        let beside: Vec<&Policy> = in_force.policies.iter().filter(|it| !is_replaced(it)).collect();
        checked.findings = cofferdam_policy::check(&policies, &beside, &workloads, now);
        let outcome = checked.outcome();
        match self.options.output {
            Format::Json => output::document(self.out, &checked.document())?,
            Format::Jsonl => output::line(self.out, &checked.document())?,
            Format::Table | Format::Wide => self.lines(&show::checked(&checked, self.screen))?,
        }
        Ok(outcome)
    }

    pub(super) fn test(&mut self, test: &Replay, now: WallTime) -> Result<Outcome> {
        let policies = accepted(&test.files, now)?;
        let (since, until) = between(Some(test.since), test.until, now)?;
        let evidence = self.evidence(&Filter { since, until, ..Filter::default() })?;
        let policies: Vec<&Policy> = policies.iter().collect();
        let tested = self.replay(&policies, &evidence, &test.past, now)?;
        match self.options.output {
            Format::Json => output::document(self.out, &tested)?,
            Format::Jsonl => {
                tested.rows.iter().try_for_each(|row| output::line(self.out, row))?;
                output::line(self.out, &tested.summary)?;
            }
            Format::Table | Format::Wide => self.lines(&show::tested(&tested, test.all, self.screen))?,
        }
        Ok(self.judged(tested.summary.completeness.complete))
    }

    pub(super) fn learn(&mut self, asked: &Learn, now: WallTime) -> Result<Outcome> {
        let (since, until) = between(Some(asked.since), asked.until, now)?;
        let workload = Some(asked.workload.clone());
        let evidence = self.evidence(&Filter { workload, since, until, ..Filter::default() })?;
        let accesses = evidence.accesses();
        let (connections, taints) = evidence.connections(&[]);
        let Answer { since, until, completeness, .. } = evidence.completeness();
        let lesson = Lesson {
            workload: &asked.workload,
            known: evidence.known(),
            accesses: &accesses,
            connections: &connections,
            taints: &taints,
            executions: evidence.executions(),
            range: (since, until),
            completeness: &completeness,
        };
        let policy = learn(&lesson).map_err(|why: Unlearnable| BadUsage(why.to_string()))?;
        match self.options.output {
            Format::Table | Format::Wide => self.out.write_all(policy.as_bytes())?,
            Format::Json | Format::Jsonl => {
                let document =
                    json!({ "policy": policy, "since": since, "until": until, "completeness": completeness });
                output::document(self.out, &document)?;
            }
        }
        Ok(self.judged(completeness.complete))
    }

    /// The evidence of the copied journal, or of the agent's own.
    fn evidence(&self, filter: &Filter) -> Result<Evidence> {
        let (path, journal) = self.journal("policy test")?;
        journal.evidence(filter).with_context(|| format!("read the journal at {path}"))
    }

    fn replay(
        &self,
        policies: &[&Policy],
        evidence: &Evidence,
        past: &Past,
        now: WallTime,
    ) -> Result<Tested> {
        let is_here = self.options.journal.is_none();
        let names = if is_here { resolved(policies) } else { BTreeMap::new() };
        let resolvers = match past.resolver.as_slice() {
            [] if is_here => own_resolvers(),
            named => named.to_vec(),
        };
        let accesses = evidence.accesses();
        let past = cofferdam_policy::Past {
            known: evidence.known(),
            accesses: &accesses,
            names: &names,
            resolvers: &resolvers,
            has_all_resolvers: !past.resolver.is_empty(),
            now,
        };
        let mut replay = cofferdam_policy::Replay::new(policies, past)?;
        replay.executions(evidence.executions());
        let (connections, _) = evidence.connections(&replay.moments());
        replay.connections(&connections);
        let unconcerned = replay.unconcerned();
        let selects = replay.selected().into_iter().map(|(policy, workloads, pending)| Selects {
            policy,
            workloads,
            pending,
        });
        let policies = selects.collect();
        let rows = replay.outcome();
        let sum = |of: fn(&Replayed) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
        let Answer { since, until, completeness, .. } = evidence.completeness();
        let summary = Summary {
            denied: sum(|row| row.denied),
            allowed: sum(|row| row.allowed),
            undecidable: sum(|row| row.undecidable),
            unconcerned,
            policies,
            since,
            until,
            completeness,
        };
        Ok(Tested { rows, summary })
    }
}

impl Checked {
    /// Findings, also those of the past.
    fn outcome(&self) -> Outcome {
        let denied = self.tested.as_ref().is_some_and(|tested| tested.summary.denied > 0);
        match (self.refusals.is_empty(), self.findings.is_empty() && !denied) {
            (false, _) => Outcome::BadUsage,
            (true, false) => Outcome::Failed,
            (true, true) => Outcome::Done,
        }
    }

    fn document(&self) -> Value {
        let refusals: Vec<Value> = self
            .refusals
            .iter()
            .map(|it| {
                let (line, column) = (it.at.map(|at| at.line), it.at.map(|at| at.column));
                json!({ "file": it.file, "line": line, "column": column, "field": it.field, "reason": it.reason })
            })
            .collect();
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|it| json!({ "policy": it.policy, "rule": it.rule, "reason": it.reason }))
            .collect();
        let denied: Option<Vec<&Replayed>> =
            self.tested.as_ref().map(|tested| tested.rows.iter().filter(|row| row.denied > 0).collect());
        json!({
            "policies": self.policies,
            "refusals": refusals,
            "findings": findings,
            "denied": denied,
            "past": self.tested.as_ref().map(|tested| &tested.summary),
            "without_past": self.without_past,
            "without_in_force": self.without_in_force,
        })
    }
}

/// The policies of files, or all that is wrong with them.
fn accepted(files: &[std::path::PathBuf], now: WallTime) -> Result<Vec<Policy>> {
    let mut policies = Vec::new();
    let mut refused = Vec::new();
    for text in policy_files::read(files)? {
        // What an agent has accepted before does not matter for what would have been.
        let acceptance = Acceptance { now, first: &BTreeMap::new() };
        match parse(Path::new(&text.source), &text.text, acceptance) {
            Ok(more) => policies.extend(more),
            Err(reasons) => refused.push(reasons.to_string()),
        }
    }
    if refused.is_empty() {
        Ok(policies)
    } else {
        bail!(BadUsage(format!("refused:\n{}", refused.join("\n"))))
    }
}

/// Addresses of the hosts that policies name, as this machine knows them now.
fn resolved(policies: &[&Policy]) -> BTreeMap<String, Vec<IpAddr>> {
    let names: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.hosts()).collect();
    let addresses = |name: &str| -> Vec<IpAddr> {
        let found = (name, 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect::<BTreeSet<_>>());
        found.unwrap_or_default().into_iter().collect()
    };
    names.into_iter().map(|name| (name.to_owned(), addresses(name))).collect()
}

/// The node's own.
fn own_resolvers() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok()).collect()
}
