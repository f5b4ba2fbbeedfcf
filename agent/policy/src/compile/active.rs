//! The rules that are in force for a workload, and their exceptions that have not expired.

use cofferdam_abi::key::InodeKey;
use cofferdam_model::Workload;

use super::{Binary, Input};
use crate::policy::{Allow, Exception, Policy, Rule, Says};
use crate::{Mode, is_guarded};

/// A rule in force.
pub struct Active<'a> {
    pub policy: &'a Policy,
    pub rule: &'a Rule,
    /// The policy does not select the workload: the rule is an exclusive one, of which it only feels the denial.
    pub is_foreign: bool,
    /// Exceptions that hold now. A foreign rule has none: they are for who is selected.
    pub exceptions: Vec<Held<'a>>,
}

/// An exception that holds.
pub struct Held<'a> {
    /// Boot clock, ns.
    pub until: u64,
    pub exception: &'a Exception,
}

/// All rules in force.
pub fn active<'a>(input: &Input<'a>) -> Vec<Active<'a>> {
    let own = input.policies.iter().flat_map(|policy| {
        policy.rules().iter().map(|rule| Active {
            policy,
            rule,
            is_foreign: false,
            exceptions: held(rule, input),
        })
    });
    let foreign = input.others.iter().filter(|policy| reaches(policy, input.workload)).flat_map(|policy| {
        let is_exclusive = |rule: &&Rule| matches!(&rule.says, Says::Secret(secret) if secret.exclusive);
        policy.rules().iter().filter(is_exclusive).map(|rule| Active {
            policy,
            rule,
            is_foreign: true,
            exceptions: Vec::new(),
        })
    });
    own.chain(foreign).collect()
}

/// Whether a policy's exclusive rules reach a workload that it does not select.
fn reaches(policy: &Policy, workload: &Workload) -> bool {
    !is_guarded(workload) && !policy.spares(workload) && !policy.may_yet_spare(workload)
}

fn held<'a>(rule: &'a Rule, input: &Input<'_>) -> Vec<Held<'a>> {
    let ends = rule.exceptions.iter().map(|exception| {
        let until = input.clock.boot(exception.expires).as_nanos();
        Held { until, exception }
    });
    ends.filter(|held| held.until > input.now.as_nanos()).collect()
}

impl Active<'_> {
    pub fn enforces(&self) -> bool {
        self.rule.mode == Mode::Enforce
    }

    /// Whether an exception lets everyone pass at a moment.
    pub fn lets_all_pass(&self, at: u64) -> bool {
        self.exceptions.iter().any(|held| held.until > at && held.exception.allow == Allow::Any)
    }

    /// Whether an exception lets a binary pass at a moment.
    pub fn lets_pass(&self, at: u64, file: InodeKey, input: &Input<'_>) -> bool {
        self.exceptions.iter().any(|held| match &held.exception.allow {
            Allow::Binary(pattern) => held.until > at && stands_for(input, pattern, file),
            Allow::Any | Allow::Endpoint(_) => false,
        })
    }

    /// Globs of the binaries that exceptions let pass.
    pub fn excepted_binaries(&self) -> impl Iterator<Item = &str> {
        self.exceptions.iter().filter_map(|held| match &held.exception.allow {
            Allow::Binary(pattern) => Some(pattern.as_str()),
            Allow::Any | Allow::Endpoint(_) => None,
        })
    }
}

/// The binaries behind a glob.
pub fn resolved<'a>(input: &Input<'a>, pattern: &str) -> &'a [Binary] {
    input.binaries.get(pattern).map_or(&[], Vec::as_slice)
}

/// Whether a glob stands for a file.
pub fn stands_for(input: &Input<'_>, pattern: &str, file: InodeKey) -> bool {
    resolved(input, pattern).iter().any(|binary| binary.file == file)
}

/// The seconds after which all of these rules release; 0 if one of them keeps.
pub fn release<'a>(rules: impl IntoIterator<Item = &'a Active<'a>>) -> u32 {
    let all: Option<Vec<u32>> = rules.into_iter().map(|it| it.rule.release).collect();
    all.and_then(|all| all.into_iter().max()).unwrap_or(0)
}
