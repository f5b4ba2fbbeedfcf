//! Environments, memory, executables: one rule of each class for a workload, exceptions by binary.

use std::collections::HashSet;

use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{Class, Grant, GrantKey, environment, exec, row, set};

use super::active::{Active, release, resolved, stands_for};
use super::phases::phases;
use super::{Context, Input};
use crate::policy::Says;
use crate::{Attach, ExecDenial, Origin, Read, RuleKind};

/// Origins of what was not written after the container was made.
const ORDINARY: u32 = exec::IMAGE | exec::HOST | exec::UNKNOWN;

/// How the rules of one class become rows.
struct Shape {
    kind: RuleKind,
    set: u32,
    /// Shift to the bits of observing rules.
    observe: u32,
    /// What a rule refuses at a moment, to everyone or with one file.
    refuses: fn(&Input<'_>, &Active<'_>, u64, Option<InodeKey>) -> u32,
}

const ENVIRONMENT: Shape = Shape {
    kind: RuleKind::Environment,
    set: set::ENVIRONMENT,
    observe: environment::OBSERVE,
    refuses: refuses_others,
};
const MEMORY: Shape = Shape {
    kind: RuleKind::Memory,
    set: set::MEMORY,
    observe: environment::OBSERVE,
    refuses: refuses_others,
};
const EXEC: Shape =
    Shape { kind: RuleKind::Exec, set: set::EXEC, observe: exec::OBSERVE, refuses: refuses_executables };

impl Context<'_> {
    pub fn classes(&mut self) {
        self.out.policy.environment = self.class(&ENVIRONMENT);
        self.out.policy.memory = self.class(&MEMORY);
        self.out.policy.exec = self.class(&EXEC);
        if self.out.grants.iter().any(|(key, _)| key.set == set::EXEC) {
            self.out.policy.flags |= row::EXEC_GRANTS;
        }
    }

    fn class(&mut self, shape: &Shape) -> Class {
        let input = self.input;
        let rules: Vec<&Active<'_>> =
            self.active.iter().filter(|it| it.rule.says.kind() == shape.kind).collect();
        let deny = |at: u64, file: Option<InodeKey>| {
            rules.iter().fold(0, |mask, it| {
                let shift = if it.enforces() { 0 } else { shape.observe };
                mask | (shape.refuses)(input, it, at, file) << shift
            })
        };
        let (now, ends): (u64, Vec<(u64, &Active<'_>)>) = (
            input.now.as_nanos(),
            rules.iter().flat_map(|it| it.exceptions.iter().map(|held| (held.until, *it))).collect(),
        );
        let moments: Vec<u64> = ends.iter().map(|(until, _)| *until).collect();
        let numbers = &mut self.numbers;
        let mut number = |end: Option<usize>| end.map_or(0, |end| numbers.exception(shape.kind, ends[end].1));
        let of_all = phases(now, &moments, |at| deny(at, None));
        let exception = number(of_all.end);
        for file in files(input, &rules) {
            let of_file = phases(now, &moments, |at| deny(at, Some(file)));
            if of_file == of_all {
                continue;
            }
            let key = GrantKey { binary: file, generation: input.generation, set: shape.set };
            let exception = number(of_file.end);
            let (until, before, after) = (of_file.until, of_file.before, of_file.after);
            self.out.grants.push((key, Grant { until, before, after, exception, reserved: 0 }));
        }
        let enforcing = || rules.iter().copied().filter(|it| it.enforces());
        Class {
            until: of_all.until,
            enforce: self.numbers.rules(shape.kind, enforcing()),
            observe: self.numbers.rules(shape.kind, rules.iter().copied().filter(|it| !it.enforces())),
            exception,
            release: release(enforcing()),
            deny: of_all.after,
            eased: of_all.before,
        }
    }
}

/// The files that rules and their exceptions name, each once.
fn files(input: &Input<'_>, rules: &[&Active<'_>]) -> Vec<InodeKey> {
    let mut seen = HashSet::new();
    let named = rules.iter().flat_map(|it| {
        let denied = match &it.rule.says {
            Says::Exec(denials) => denials.as_slice(),
            _ => &[],
        };
        denied.iter().filter_map(|denial| denial.binary.as_deref()).chain(it.excepted_binaries())
    });
    let files = named.flat_map(|pattern| resolved(input, pattern)).map(|binary| binary.file);
    files.filter(|file| seen.insert(*file)).collect()
}

/// Of other processes: their environment, or their memory.
fn refuses_others(input: &Input<'_>, it: &Active<'_>, at: u64, file: Option<InodeKey>) -> u32 {
    if it.lets_all_pass(at) || file.is_some_and(|file| it.lets_pass(at, file, input)) {
        return 0;
    }
    match &it.rule.says {
        Says::Environment(Read::Own) | Says::Memory(Attach::Deny) => environment::OTHERS,
        Says::Environment(Read::None) => environment::OTHERS | environment::OWN,
        _ => 0,
    }
}

fn refuses_executables(input: &Input<'_>, it: &Active<'_>, at: u64, file: Option<InodeKey>) -> u32 {
    let Says::Exec(denials) = &it.rule.says else { return 0 };
    if it.lets_all_pass(at) {
        return 0;
    }
    let fits = |denial: &&ExecDenial| match (&denial.binary, file) {
        (None, _) => true,
        (Some(pattern), Some(file)) => stands_for(input, pattern, file),
        (Some(_), None) => false,
    };
    let refused = denials.iter().filter(fits).fold(0, |mask, denial| mask | mask_of(denial));
    match file {
        Some(file) if it.lets_pass(at, file, input) => {
            let passes = if is_layered(input, file) { ORDINARY } else { ORDINARY | exec::WRITTEN };
            refused & !(passes | passes << exec::SESSION)
        }
        _ => refused,
    }
}

/// Off the layers only the file itself tells what it is: an exception means it wherever it lies.
fn is_layered(input: &Input<'_>, file: InodeKey) -> bool {
    input.binaries.values().flatten().any(|binary| binary.file == file && binary.layered)
}

fn mask_of(denial: &ExecDenial) -> u32 {
    let origins = match denial.origin {
        None => exec::ANY,
        Some(Origin::Image) => exec::IMAGE,
        Some(Origin::Written) => exec::WRITTEN,
        Some(Origin::Memfd) => exec::MEMFD,
        Some(Origin::Deleted) => exec::DELETED,
        Some(Origin::Host) => exec::HOST,
        Some(Origin::Unknown) => exec::UNKNOWN,
    };
    if denial.session.is_some() { origins << exec::SESSION } else { origins }
}
