//! What each policy may say and policies together should not: told before they are applied.

use std::collections::BTreeMap;
use std::fmt;

use cofferdam_model::{WallTime, Workload, glob};

use crate::endpoint::Endpoint;
use crate::meet::meet;
use crate::policy::{EgressRule, Readers, Rule, Says, SecretRule};
use crate::{Policy, Selection};

/// Something that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The policy.
    pub policy: String,
    /// The rule, if it is about one.
    pub rule: Option<String>,
    /// What it is.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.policy)?;
        if let Some(rule) = &self.rule {
            write!(f, "/{rule}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Checks policies against each other, against others that are in force, and against the workloads of a node.
pub fn check(
    policies: &[&Policy],
    in_force: &[&Policy],
    workloads: &[Workload],
    now: WallTime,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |policy: &Policy, rule: Option<&Rule>, reason: String| {
        findings.push(Finding {
            policy: policy.name().to_owned(),
            rule: rule.map(|it| it.id.clone()),
            reason,
        });
    };
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for policy in policies {
        *names.entry(policy.name()).or_default() += 1;
        if names.get(policy.name()) == Some(&2) {
            find(policy, None, "there are several policies of this name".to_owned());
        }
        if !workloads.is_empty() && workloads.iter().all(|it| policy.selects(it) == Selection::No) {
            find(policy, None, "its selector fits no workload".to_owned());
        }
        for (rule, exception) in policy.exceptions().filter(|(_, exception)| exception.expires <= now) {
            find(
                policy,
                Some(rule),
                format!("an exception has expired, remove it or give it a new end: {exception}"),
            );
        }
        for rule in policy.rules() {
            for other in policy.rules().iter().filter(|other| other.id != rule.id) {
                if let Some(reason) = leaves_nothing(rule, other) {
                    find(policy, Some(rule), format!("{}: {reason}", other.id));
                }
            }
        }
    }
    let told = |a: &Policy, b: &Policy, its: &Rule, reason: &str| {
        let known = in_force.iter().find(|it| [a.name(), b.name()].contains(&it.name()));
        let known = known.map(|it| format!("; {} is in force", it.name())).unwrap_or_default();
        format!("{}/{}: {reason}{known}", b.name(), its.id)
    };
    for (a, b) in pairs(policies, in_force).filter(|(a, b)| together(a, b, workloads)) {
        for (mine, its) in a.rules().iter().flat_map(|mine| b.rules().iter().map(move |its| (mine, its))) {
            if let Some(reason) = contradiction(mine, its) {
                find(a, Some(mine), told(a, b, its, &reason));
            }
        }
    }
    for (a, b) in pairs(policies, in_force).filter(|(a, b)| apart(a, b, workloads)) {
        for (mine, its) in a.rules().iter().flat_map(|mine| b.rules().iter().map(move |its| (mine, its))) {
            if is_taken(mine, its) {
                let reason = "its workloads do not read what is exclusive here";
                find(a, Some(mine), told(a, b, its, reason));
            }
        }
    }
    findings
}

/// Whether the second is for a workload that the first is not for.
fn apart(a: &Policy, b: &Policy, workloads: &[Workload]) -> bool {
    workloads.iter().any(|it| a.selects(it) == Selection::No && b.selects(it) == Selection::Yes)
}

/// Whether a rule gives readers to a secret that another policy has for itself.
fn is_taken(mine: &Rule, its: &Rule) -> bool {
    match (&mine.says, &its.says) {
        (Says::Secret(mine), Says::Secret(its)) => mine.exclusive && mine.secret == its.secret,
        _ => false,
    }
}

/// Each of the policies with each other one, and with those in force, both ways round.
fn pairs<'a>(
    policies: &[&'a Policy],
    in_force: &[&'a Policy],
) -> impl Iterator<Item = (&'a Policy, &'a Policy)> {
    let of = move |a: &'a Policy, others: &[&'a Policy]| -> Vec<(&'a Policy, &'a Policy)> {
        others.iter().filter(|b| a.name() != b.name()).map(|b| (a, *b)).collect()
    };
    let first = policies.iter().flat_map(move |a| [of(a, policies), of(a, in_force)]);
    first.chain(in_force.iter().map(move |a| of(a, policies))).flatten()
}

/// Whether both are for one workload.
fn together(a: &Policy, b: &Policy, workloads: &[Workload]) -> bool {
    let by_both = |it: &Workload| a.selects(it) == Selection::Yes && b.selects(it) == Selection::Yes;
    workloads.iter().any(by_both) || (workloads.is_empty() && a.selector() == b.selector())
}

/// Within one policy: once an isolating secret is read, another one's destinations are out of reach.
fn leaves_nothing(isolating: &Rule, other: &Rule) -> Option<&'static str> {
    let (Says::Secret(isolating), Says::Secret(other)) = (&isolating.says, &other.says) else { return None };
    let (mine, its) = (isolating.binding.as_ref()?, other.binding.as_ref()?);
    let apart =
        mine.isolate && !its.destinations.is_empty() && !meet(&[&mine.destinations, &its.destinations]);
    apart.then_some("none of its destinations can be reached once this secret is read")
}

/// Of two policies, of which both must permit. Each pair is seen from both sides.
fn contradiction(mine: &Rule, its: &Rule) -> Option<String> {
    match (&mine.says, &its.says) {
        (Says::Secret(mine), Says::Secret(its)) => no_reader(mine, its).or_else(|| no_way(mine, its)),
        (Says::Secret(SecretRule { binding: Some(binding), .. }), Says::Egress(egress)) => {
            refused(&binding.destinations, egress)
        }
        (Says::Egress(mine), Says::Egress(its)) => refused(&mine.allow, its),
        _ => None,
    }
}

fn no_reader(mine: &SecretRule, its: &SecretRule) -> Option<String> {
    let (Readers::Only(readers), Readers::Only(others)) = (&mine.readers, &its.readers) else { return None };
    let may_meet =
        |a: &str, b: &str| glob(a, b) || glob(b, a) || (a.contains(['*', '?']) && b.contains(['*', '?']));
    let is_same =
        mine.secret == its.secret && (mine.keys.is_none() || its.keys.is_none() || mine.keys == its.keys);
    let meets = readers.iter().any(|a| others.iter().any(|b| may_meet(&a.binary, &b.binary)));
    (is_same && !meets).then(|| format!("no binary may read {} by both", mine.secret))
}

fn no_way(mine: &SecretRule, its: &SecretRule) -> Option<String> {
    let (mine, its) = (mine.binding.as_ref()?, its.binding.as_ref()?);
    let apart = !mine.destinations.is_empty()
        && !its.destinations.is_empty()
        && !meet(&[&mine.destinations, &its.destinations]);
    apart.then(|| {
        "their destinations have nothing in common: once both secrets are read nothing is reached".to_owned()
    })
}

fn refused(named: &[Endpoint], egress: &EgressRule) -> Option<String> {
    let covered = |endpoint: &&Endpoint| egress.deny.iter().any(|denied| denied.covers(endpoint));
    named.iter().find(covered).map(|endpoint| format!("{endpoint} is refused there"))
}
