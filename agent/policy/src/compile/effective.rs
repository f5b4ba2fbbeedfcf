//! What really enforces each rule on this node, and why it is not more.

use cofferdam_model::EnforcedBy;

use super::active::{Active, resolved};
use super::cover::cover;
use super::{Input, RuleId};
use crate::endpoint::To;
use crate::policy::{Readers, Says};
use crate::{Allow, Mode, RuleKind};

/// What the node's kernel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// LSM programs refuse.
    Lsm,
    /// Cgroup programs refuse, and the guard holds back opens of secrets.
    Guarded,
    /// Only cgroup programs refuse.
    Tracepoint,
}

/// What enforces a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The rule.
    pub id: RuleId,
    /// What it speaks of.
    pub kind: RuleKind,
    /// What it was meant to do.
    pub mode: Mode,
    /// What does it; several where parts of it differ.
    pub by: Vec<EnforcedBy>,
    /// Why it is not more.
    pub why: Vec<String>,
}

pub fn effective(input: &Input<'_>, active: &[Active<'_>]) -> Vec<Effective> {
    let mut all = Vec::new();
    for it in active {
        let kind = it.rule.says.kind();
        all.push(of_rule(input, it, kind));
        if super::egress::binding_of(it).is_some() {
            all.push(of_rule(input, it, RuleKind::Destinations));
        }
    }
    all
}

fn of_rule(input: &Input<'_>, it: &Active<'_>, kind: RuleKind) -> Effective {
    let (mut by, mut why) = (Vec::new(), Vec::new());
    if it.rule.mode == Mode::Observe {
        by.push(EnforcedBy::ObserveOnly);
        why.push("its mode is observe".to_owned());
    } else {
        by.push(by_tier(input.tier, kind));
        if by == [EnforcedBy::ObserveOnly] {
            why.push("this node's kernel runs no LSM programs: it can only be seen".to_owned());
        }
    }
    match kind {
        RuleKind::Egress | RuleKind::Destinations => {
            why.extend(unknown_destinations(input, it));
            if input.tier != Tier::Lsm {
                why.push("unix sockets of other workloads are neither denied nor seen here".to_owned());
            }
        }
        RuleKind::Secret if !input.objects.iter().any(|of| cover(it, of, input.workload).is_some()) => {
            why.push("no such secret is on this node".to_owned());
        }
        _ => {}
    }
    // A foreign rule refuses all: who is named is none of this workload's.
    if !it.is_foreign && !matches!(kind, RuleKind::Egress | RuleKind::Destinations) {
        binaries(input, it, &mut by, &mut why);
    }
    let id = RuleId { policy: it.policy.name().to_owned(), rule: it.rule.id.clone() };
    Effective { id, kind, mode: it.rule.mode, by, why }
}

fn by_tier(tier: Tier, kind: RuleKind) -> EnforcedBy {
    match (tier, kind) {
        (_, RuleKind::Egress | RuleKind::Destinations | RuleKind::Order) => EnforcedBy::Cgroup,
        (Tier::Lsm, _) => EnforcedBy::Lsm,
        (Tier::Guarded, RuleKind::Secret) => EnforcedBy::Fanotify,
        (Tier::Guarded | Tier::Tracepoint, _) => EnforcedBy::ObserveOnly,
    }
}

/// What the destinations name and is not there.
fn unknown_destinations(input: &Input<'_>, it: &Active<'_>) -> Vec<String> {
    let excepted = it.exceptions.iter().filter_map(|held| match &held.exception.allow {
        Allow::Endpoint(endpoint) => Some(endpoint),
        _ => None,
    });
    let unknown = |to: &To| match to {
        To::Host(name) if input.names.get(name).is_none_or(Vec::is_empty) => {
            Some(format!("{name} has no address"))
        }
        To::Unix(path) if !input.sockets.contains_key(path) => {
            Some(format!("the folder of {path} is not there"))
        }
        _ => None,
    };
    it.rule
        .says
        .endpoints()
        .into_iter()
        .chain(excepted)
        .filter_map(|endpoint| unknown(&endpoint.to))
        .collect()
}

fn binaries(input: &Input<'_>, it: &Active<'_>, by: &mut Vec<EnforcedBy>, why: &mut Vec<String>) {
    let (patterns, reads): (Vec<&str>, bool) = match &it.rule.says {
        Says::Secret(secret) => match &secret.readers {
            Readers::Any => (Vec::new(), true),
            Readers::Only(readers) => (readers.iter().map(|it| it.binary.as_str()).collect(), true),
        },
        Says::Exec(denials) => (denials.iter().filter_map(|it| it.binary.as_deref()).collect(), false),
        Says::Environment(_) | Says::Egress(_) | Says::Memory(_) => (Vec::new(), false),
    };
    for pattern in patterns.into_iter().chain(it.excepted_binaries()) {
        let found = resolved(input, pattern);
        if found.is_empty() {
            why.push(format!("no binary is at {pattern}"));
        }
        for binary in found {
            if !binary.layered {
                if !by.contains(&EnforcedBy::PathOnly) {
                    by.push(EnforcedBy::PathOnly);
                }
                why.push(format!("{} lies on no layers: it could be replaced", binary.path));
            }
            if binary.multi_call && reads {
                why.push(format!("{} is one file for many programs: each of them may read", binary.path));
            }
        }
    }
}
