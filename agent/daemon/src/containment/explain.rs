//! `policy explain`: who decided about an event, what that rule or order says, and what has changed since.

use std::path::Path;

use cofferdam_api::{BackendError, Explanation};
use cofferdam_journal::{Entry, Reader};
use cofferdam_model::{Verdict, WallTime};
use cofferdam_policy::Rule;

use super::enforcer::{BASELINE, Enforcer};
use super::orders::{self, Orders};
use super::store::InForce;
use super::wall::to_second;

/// What was decided, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    event: String,
    what: String,
    last: WallTime,
    verdict: Verdict,
    /// The policy; of an order whose it is.
    policy: Option<String>,
    /// The rule, or the order.
    rule: Option<String>,
    exception: bool,
}

/// Rows of all kinds tell of a decision in the same words.
macro_rules! decision {
    ($row:ident, $what:expr, $last:expr) => {
        Decision {
            what: $what,
            last: $last,
            event: $row.id,
            verdict: $row.verdict,
            policy: $row.policy,
            rule: $row.rule,
            exception: $row.exception,
        }
    };
}

/// The decision about the event of this id, also if it was let pass.
///
/// # Errors
/// If the journal cannot be read, or no rule decided about such an event.
pub fn find(journal: &Path, event: &str) -> Result<Decision, BackendError> {
    let failed = |error: cofferdam_journal::Error| BackendError::Failed(Box::new(error));
    let entry = match event.parse() {
        Ok(id) => Reader::open(journal).and_then(|it| it.entry(&id)).map_err(failed)?,
        Err(_) => None,
    };
    let decided = |it: &Decision| it.verdict != Verdict::Allowed || it.rule.is_some();
    entry.and_then(decision_of).filter(decided).ok_or_else(|| {
        let message = format!(
            "no access, connection or attempt that a rule decided has the id {event}; `cofferdam denials -o wide` and \
             `cofferdam accesses -o wide` show ids"
        );
        BackendError::BadQuestion(message.into())
    })
}

/// `None`: nothing is decided about a program's beginning, nor about what a detection rule has found.
fn decision_of(entry: Entry) -> Option<Decision> {
    let by = |binary: &Option<String>| binary.as_deref().unwrap_or("a program that is not known").to_owned();
    Some(match entry {
        Entry::Access(row) => {
            let what = format!("{} reached for {}", by(&row.binary), row.secret);
            decision!(row, what, row.last)
        }
        Entry::Connection(row) => {
            let to = row.destination.as_deref().unwrap_or("somewhere");
            let what = format!("{} connected to {to} port {}", by(&row.binary), row.port);
            decision!(row, what, row.last)
        }
        Entry::Attempt(row) => {
            let what = format!("{}: {}", row.what, row.object);
            decision!(row, what, row.at)
        }
        Entry::Process(_) | Entry::Detection(_) => return None,
    })
}

/// Explains it by what is in force now.
pub fn explain(decision: Decision, enforcer: &Enforcer) -> Explanation {
    let (text, why) = by_order(&decision, &enforcer.orders)
        .or_else(|| by_rule(&decision, enforcer.store.in_force()))
        .unwrap_or_else(|| (None, gone(&decision)));
    let Decision { event, what, verdict, policy, rule, .. } = decision;
    Explanation { event, what, verdict, policy, rule, text, why }
}

/// What it says, and how the decision came about.
type Words = (Option<String>, Vec<String>);

fn by_order(decision: &Decision, orders: &Orders) -> Option<Words> {
    let rule = decision.rule.as_deref()?;
    if (decision.policy.as_deref(), rule) == (Some(BASELINE.0), BASELINE.1) {
        let why = "nothing was decided for this container yet, and the configuration says `policy: { pending: deny }`";
        return Some((None, vec![why.to_owned()]));
    }
    let row = orders.rows().iter().find(|row| row.id == rule)?;
    Some((Some(orders::described(row)), vec!["an order is stronger than any policy".to_owned()]))
}

fn by_rule(decision: &Decision, in_force: &[InForce]) -> Option<Words> {
    let policy = in_force.iter().find(|it| decision.policy.as_deref() == Some(it.policy.name()))?;
    let rule = policy.policy.rules().iter().find(|it| decision.rule.as_ref() == Some(&it.id))?;
    let mut why = vec![came_about(decision, rule)];
    if policy.kept.applied > decision.last {
        why.push(format!(
            "the policy was applied anew at {}, after this: what it said then may differ",
            to_second(policy.kept.applied)
        ));
    }
    Some((Some(rule.to_string()), why))
}

fn came_about(decision: &Decision, rule: &Rule) -> String {
    let exceptions: Vec<String> = rule.exceptions.iter().map(ToString::to_string).collect();
    match decision.verdict {
        Verdict::Denied => "it is not among what the rule permits".to_owned(),
        Verdict::WouldDeny => "it is not among what the rule permits; the rule only observed".to_owned(),
        Verdict::Allowed if decision.exception => {
            format!("it passed by an exception: {}", exceptions.join("; "))
        }
        Verdict::Allowed => "it is among what the rule permits".to_owned(),
    }
}

fn gone(decision: &Decision) -> Vec<String> {
    let gone = "what decided is not in force any more; `cofferdam audit` tells of it";
    decision.rule.iter().map(|_| gone.to_owned()).collect()
}
