//! Learning: the least policy that permits what a journal has seen of a workload, with the evidence of each line.

mod destinations;
mod evidence;
mod select;
mod write;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_abi::policy::BINDINGS;
use cofferdam_model::{
    AccessKind, AccessMode, BinaryOrigin, Completeness, Known, Program, SecretKind, SecretRef, SeenAccess,
    SeenConnection, SeenExecution, TargetRelation, WallTime, Workload, glob,
};

use destinations::Destinations;
use evidence::Evidence;

/// What is learnt from.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// The workload's name, or a glob of such.
    pub workload: &'a str,
    /// What the numbers in rows stand for.
    pub known: &'a Known,
    /// Who read what.
    pub accesses: &'a [SeenAccess],
    /// Who connected where.
    pub connections: &'a [SeenConnection],
    /// What processes had touched before they connected, as connections number it.
    pub taints: &'a [Vec<String>],
    /// What was executed.
    pub executions: &'a [SeenExecution],
    /// The range.
    pub range: (Option<WallTime>, Option<WallTime>),
    /// How complete it is.
    pub completeness: &'a Completeness,
}

/// Why nothing can be learnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unlearnable {
    /// No workload fits.
    #[error("the journal knows no workload {0} in this time; `cofferdam workloads` lists them")]
    Unknown(String),
    /// Nothing is ever refused to it.
    #[error("{0} is never restricted by a policy: it is the host's, a runtime's or the agent's own")]
    Guarded(String),
    /// They have no selector in common.
    #[error("{0} stands for workloads of several kinds or namespaces; learn from each by itself")]
    Several(String),
}

/// What was learnt, ready to be written down.
#[derive(Debug, Default)]
struct Learnt {
    secrets: Vec<LearntSecret>,
    /// Destinations of processes that had touched none of them.
    egress: Destinations,
    /// Environments of other processes.
    environments: Evidence,
    /// Memory of other processes.
    memory: Evidence,
    /// What did not come with the image, by where it came from.
    written: BTreeMap<BinaryOrigin, Evidence>,
    /// What this cannot vouch for.
    doubts: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct LearntSecret {
    /// As a rule names it.
    pattern: String,
    keys: BTreeSet<String>,
    /// Binaries that can be named; and whether they came with the image.
    readers: BTreeMap<(String, bool), Evidence>,
    destinations: Destinations,
}

/// Learns a policy that observes, as YAML. The same journal always gives the same text.
///
/// # Errors
/// If no workload fits, or none that a policy can select.
pub fn learn(lesson: &Lesson<'_>) -> Result<String, Unlearnable> {
    let chosen = select::chosen(lesson)?;
    let numbers: BTreeSet<u32> = chosen.iter().map(|(number, _)| *number).collect();
    let workloads: Vec<&Workload> = chosen.iter().map(|(_, workload)| *workload).collect();
    let selector = select::selector(lesson, &workloads)?;
    let mut learnt = Learnt::default();
    learnt.programs(lesson, &numbers);
    let mut patterns: BTreeMap<String, LearntSecret> = BTreeMap::new();
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seen in lesson.accesses.iter().filter(|it| it.workload.is_some_and(|of| numbers.contains(&of))) {
        learnt.access(lesson, seen, &mut patterns, &mut labels);
    }
    // Where nobody knows who read, nobody knows who connected afterwards.
    let read = patterns.values().filter(|secret| !secret.readers.is_empty());
    let mut bound: Vec<&str> = read.map(|secret| secret.pattern.as_str()).collect();
    if bound.len() > BINDINGS {
        let text = format!(
            "secrets beyond the first {BINDINGS} are given no destinations: a policy has no room for more"
        );
        learnt.doubts.insert(text, bound.split_off(BINDINGS).len() as u64);
    }
    let bound: BTreeSet<String> = bound.into_iter().map(str::to_owned).collect();
    for seen in lesson.connections.iter().filter(|it| it.workload.is_some_and(|of| numbers.contains(&of))) {
        learnt.connection(lesson, seen, &bound, &mut patterns, &labels);
    }
    learnt.secrets = patterns.into_values().collect();
    Ok(write::policy(lesson, &workloads, &selector, &learnt, &bound))
}

impl Learnt {
    fn doubt(&mut self, text: impl Into<String>, count: u64) {
        let known = self.doubts.entry(text.into()).or_default();
        *known = known.saturating_add(count);
    }

    /// What ran that did not come with the image.
    fn programs(&mut self, lesson: &Lesson<'_>, numbers: &BTreeSet<u32>) {
        let is_foreign = |it: &Program| {
            matches!(
                it.executable.origin,
                BinaryOrigin::Written | BinaryOrigin::Memfd | BinaryOrigin::Deleted
            )
        };
        for (number, program) in lesson.known.programs.iter().enumerate() {
            let is_own = program.workload.is_some_and(|of| numbers.contains(&of));
            if !is_own || program.runtime || !is_foreign(program) {
                continue;
            }
            let seen = lesson.executions.iter().filter(|it| it.program as usize == number);
            let of_origin = self.written.entry(program.executable.origin).or_default();
            of_origin.by(&name_of(Some(program)));
            seen.for_each(|it| of_origin.add(it.span));
        }
    }

    fn access(
        &mut self,
        lesson: &Lesson<'_>,
        seen: &SeenAccess,
        patterns: &mut BTreeMap<String, LearntSecret>,
        labels: &mut BTreeMap<String, BTreeSet<String>>,
    ) {
        let program = program(lesson, seen.program);
        if seen.earlier || program.is_some_and(|it| it.runtime) {
            return;
        }
        if seen.denied {
            return self.doubt("accesses were refused, and are not permitted here either", seen.span.count);
        }
        let relation = seen.target.map(|target| target.relation);
        match (seen.how, seen.mode) {
            (AccessKind::Environ, _) => match relation {
                Some(TargetRelation::Own) => {}
                Some(_) => self.environments.seen(seen.span, &name_of(program)),
                None => self.doubt("reads of an environment do not say whose it was", seen.span.count),
            },
            (AccessKind::Ptrace, AccessMode::Attach) => self.memory.seen(seen.span, &name_of(program)),
            (AccessKind::Ptrace, _) => {}
            _ => self.read(lesson, seen, program, patterns, labels),
        }
    }

    fn read(
        &mut self,
        lesson: &Lesson<'_>,
        seen: &SeenAccess,
        program: Option<&Program>,
        patterns: &mut BTreeMap<String, LearntSecret>,
        labels: &mut BTreeMap<String, BTreeSet<String>>,
    ) {
        let Some(secret) = lesson.known.secrets.get(seen.secret as usize).map(|it| &it.of) else { return };
        if matches!(secret.kind, SecretKind::Unknown | SecretKind::Environment) {
            return self.doubt("accesses do not say which secret was read", seen.span.count);
        }
        let Some(pattern) = pattern_of(secret) else {
            let name = secret.display_name();
            return self
                .doubt(format!("reads of {name}: its name would stand for others too"), seen.span.count);
        };
        for label in labels_of(secret) {
            labels.entry(label).or_default().insert(pattern.clone());
        }
        let learnt = patterns
            .entry(pattern.clone())
            .or_insert_with(|| LearntSecret { pattern: pattern.clone(), ..LearntSecret::default() });
        learnt.keys.extend(secret.key.clone());
        let path = program.and_then(|it| it.executable.path.as_deref()).and_then(path_pattern);
        let doubt = match (program, path) {
            (Some(program), Some(path)) => match program.executable.origin {
                BinaryOrigin::Memfd | BinaryOrigin::Deleted => {
                    "by programs that are no files of the container"
                }
                origin => {
                    let of_image = origin != BinaryOrigin::Written;
                    let reader = learnt.readers.entry((path, of_image)).or_default();
                    return reader.seen(seen.span, secret.key.as_deref().unwrap_or_default());
                }
            },
            (Some(_), None) => "by programs whose absolute path is not known",
            (None, _) => "by processes that are not known or were over the workload's budget",
        };
        self.doubt(
            format!("reads of {pattern} {doubt}: none of the readers stands for them"),
            seen.span.count,
        );
    }

    fn connection(
        &mut self,
        lesson: &Lesson<'_>,
        seen: &SeenConnection,
        bound: &BTreeSet<String>,
        patterns: &mut BTreeMap<String, LearntSecret>,
        labels: &BTreeMap<String, BTreeSet<String>>,
    ) {
        let program = program(lesson, seen.program);
        if program.is_some_and(|it| it.runtime) {
            return;
        }
        if seen.denied {
            return self
                .doubt("connections were refused, and are not permitted here either", seen.span.count);
        }
        let Some(address) = seen.destination else {
            return self
                .doubt("connections do not say where to, and are not permitted here", seen.span.count);
        };
        let touched = seen.taint.and_then(|taint| lesson.taints.get(taint as usize));
        let of_secrets: BTreeSet<&String> = touched
            .into_iter()
            .flatten()
            .filter_map(|label| labels.get(label))
            .flatten()
            .filter(|pattern| bound.contains(*pattern))
            .collect();
        let by = name_of(program);
        if of_secrets.is_empty() {
            self.egress.add(address, seen, &by);
        }
        for pattern in of_secrets {
            if let Some(secret) = patterns.get_mut(pattern) {
                secret.destinations.add(address, seen, &by);
            }
        }
    }
}

fn program<'a>(lesson: &Lesson<'a>, number: Option<u32>) -> Option<&'a Program> {
    lesson.known.programs.get(number? as usize)
}

fn name_of(program: Option<&Program>) -> String {
    let path = program.and_then(|it| it.executable.path.clone());
    path.unwrap_or_else(|| "an unknown program".to_owned())
}

/// How a rule names a secret: without the namespace, which is the policy's own.
fn pattern_of(secret: &SecretRef) -> Option<String> {
    let name = SecretRef { namespace: None, ..secret.clone() }.display_name();
    let is_plain = !name.is_empty() && literal(&name) == name && !name.contains('?');
    is_plain.then_some(name)
}

/// By what connections know it.
fn labels_of(secret: &SecretRef) -> Vec<String> {
    let plain = SecretRef { namespace: None, ..secret.clone() }.display_name();
    let with_key = |name: &str| secret.key.as_ref().map(|key| format!("{name}:{key}"));
    [plain, secret.display_name()]
        .iter()
        .flat_map(|name| [Some(name.clone()), with_key(name)])
        .flatten()
        .collect()
}

/// A glob of this text: what means something in globs, or looks as if it did, becomes any character.
fn literal(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '[' | ']' | '{' | '}' | '*') { '?' } else { c }).collect()
}

/// A glob of a binary's path, if it can be named.
fn path_pattern(path: &str) -> Option<String> {
    let walks = path.split('/').skip(1).any(|part| matches!(part, "." | ".." | ""));
    (path.starts_with('/') && !walks).then(|| literal(path))
}

/// Whether a name is asked for.
fn is_asked(lesson: &Lesson<'_>, workload: &Workload) -> bool {
    glob(lesson.workload, workload.name().as_str())
}
