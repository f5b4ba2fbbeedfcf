//! What was learnt, as a file that people read before they apply it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cofferdam_model::{BinaryOrigin, Workload};

use super::destinations::Destinations;
use super::evidence::{Evidence, names, seconds};
use super::select::{Selected, slug};
use super::yaml::{comment, value};
use super::{Learnt, LearntSecret, Lesson};
use crate::{GUARDED_NAMESPACES, Set};

/// Text, line by line.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, indent: usize, text: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:indent$}{}", "", text.as_ref());
    }

    fn why(&mut self, indent: usize, text: impl AsRef<str>) {
        self.line(indent, format!("# {}", text.as_ref()));
    }
}

pub(super) fn policy(
    lesson: &Lesson<'_>,
    workloads: &[&Workload],
    selected: &Selected,
    learnt: &Learnt,
    bound: &BTreeSet<String>,
) -> String {
    let mut text = Text::default();
    head(&mut text, lesson, workloads, learnt);
    text.line(0, "apiVersion: cofferdam.dev/v1alpha1");
    text.line(0, "kind: ContainmentPolicy");
    text.line(0, "metadata:");
    text.line(2, format!("name: {}", value(&selected.name)));
    if let Some(namespace) = &selected.namespace {
        text.line(2, format!("namespace: {}", value(namespace)));
    }
    text.line(0, "spec:");
    text.line(2, "mode: observe");
    if let Some(guarded) = selected.namespace.as_deref().filter(|it| GUARDED_NAMESPACES.contains(it)) {
        text.line(2, format!("optIn: [{}]", value(guarded)));
    }
    selector(&mut text, selected);
    let ids = secrets(&mut text, &learnt.secrets, bound);
    classes(&mut text, learnt, &ids);
    text.0
}

fn head(text: &mut Text, lesson: &Lesson<'_>, workloads: &[&Workload], learnt: &Learnt) {
    let instances = match workloads.len() {
        1 => "1 instance".to_owned(),
        several => format!("{several} instances"),
    };
    text.why(0, format!("Learnt from {instances} of {}", comment(lesson.workload)));
    if let (Some(since), Some(until)) = lesson.range {
        text.why(0, format!("between {} and {} UTC.", seconds(since), seconds(until)));
    }
    text.why(0, "It permits what was seen; what else it would refuse is only told until `mode: enforce`.");
    text.why(
        0,
        "Addresses are those that were seen: where a name stands behind them, write `host:` instead.",
    );
    let completeness = lesson.completeness;
    let mut doubts: Vec<String> = completeness.reasons.iter().map(|reason| comment(reason)).collect();
    if completeness.over_budget > 0 {
        doubts
            .push(format!("{} events were over budget: counted but not itemised", completeness.over_budget));
    }
    doubts.extend(learnt.doubts.iter().map(|(doubt, count)| format!("{count} {}", comment(doubt))));
    if doubts.is_empty() {
        text.why(0, "Nothing is known to be missing from the journal in this time.");
    } else {
        text.why(0, "What this cannot vouch for:");
        doubts.iter().for_each(|doubt| text.why(0, format!("- {doubt}")));
    }
}

fn selector(text: &mut Text, selected: &Selected) {
    text.line(2, "selector:");
    if !selected.labels.is_empty() {
        text.line(4, "matchLabels:");
        for (key, label) in &selected.labels {
            text.line(6, format!("{}: {}", value(key), value(label)));
        }
    }
    for (field, pattern) in &selected.fields {
        text.line(4, format!("{field}: {}", value(pattern)));
    }
}

/// Returns the ids that are taken.
fn secrets(text: &mut Text, secrets: &[LearntSecret], bound: &BTreeSet<String>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    if secrets.is_empty() {
        text.why(2, "no secret was read");
        return ids;
    }
    text.line(2, "secrets:");
    for secret in secrets {
        let plain = secret.pattern.rsplit('/').next().unwrap_or(&secret.pattern);
        text.line(4, format!("- id: {}", value(&unique(&mut ids, &slug(plain)))));
        text.line(6, format!("secret: {}", value(&secret.pattern)));
        readers(text, secret);
        if bound.contains(&secret.pattern) {
            let nowhere = "nothing connected that had touched it: nowhere but where `egress` allows";
            destinations(text, 6, "destinations", &secret.destinations, nowhere);
        }
    }
    ids
}

fn readers(text: &mut Text, secret: &LearntSecret) {
    if !secret.keys.is_empty() {
        text.why(6, format!("keys that were read: {}", names(&secret.keys)));
    }
    if secret.readers.is_empty() {
        text.why(6, "no reader can be named: see above");
        return text.line(6, "readers: any");
    }
    text.line(6, "readers:");
    for ((path, of_image), evidence) in &secret.readers {
        text.why(8, evidence.told("key"));
        if *of_image {
            text.line(8, format!("- binary: {}", value(path)));
        } else {
            text.why(8, "it was not in the image: whoever can write there can read the secret");
            text.line(8, format!("- {{ binary: {}, origin: any }}", value(path)));
        }
    }
}

fn destinations(text: &mut Text, indent: usize, field: &str, to: &Destinations, nowhere: &str) {
    if to.is_empty() {
        text.why(indent, nowhere);
        return text.line(indent, format!("{field}: []"));
    }
    text.line(indent, format!("{field}:"));
    for (line, evidence) in to.lines() {
        text.why(indent + 2, evidence);
        text.line(indent + 2, format!("- {line}"));
    }
}

/// One rule of each class.
fn classes(text: &mut Text, learnt: &Learnt, taken: &BTreeSet<String>) {
    let mut taken = taken.clone();
    rule(text, &mut taken, "environment", "env");
    if learnt.environments.is_empty() {
        text.why(4, "no process read another one's");
        text.line(4, "read: own");
    } else {
        text.why(4, format!("others were read {}", learnt.environments.told("by")));
        text.line(4, "read: any");
    }
    executables(text, learnt, &mut taken);
    rule(text, &mut taken, "egress", "egress");
    destinations(text, 4, "allow", &learnt.egress, "nothing connected that had touched no secret");
    let metadata = Set::CloudMetadata;
    let used = learnt.egress.meet(metadata) || learnt.secrets.iter().any(|it| it.destinations.meet(metadata));
    if used {
        text.why(4, "the metadata service was used, see its address above");
    } else {
        text.why(4, "the metadata service was not used");
        text.line(4, format!("deny: [{{ set: {metadata} }}]"));
    }
    rule(text, &mut taken, "memory", "memory");
    if learnt.memory.is_empty() {
        text.why(4, "no process reached into another one's");
        text.line(4, "attach: deny");
    } else {
        text.why(4, learnt.memory.told("by"));
        text.line(4, "attach: allow");
    }
}

fn rule(text: &mut Text, taken: &mut BTreeSet<String>, field: &str, id: &str) {
    text.line(2, format!("{field}:"));
    text.line(4, format!("id: {}", unique(taken, id)));
}

fn executables(text: &mut Text, learnt: &Learnt, taken: &mut BTreeSet<String>) {
    let origins = [BinaryOrigin::Written, BinaryOrigin::Memfd, BinaryOrigin::Deleted];
    let ran: Vec<(BinaryOrigin, &Evidence)> =
        origins.iter().filter_map(|origin| Some((*origin, learnt.written.get(origin)?))).collect();
    for (origin, evidence) in &ran {
        text.why(2, format!("executed though {origin}: {}", evidence.told("as")));
    }
    let denied: Vec<String> = origins
        .iter()
        .filter(|origin| !learnt.written.contains_key(*origin))
        .map(|origin| format!("{{ origin: {origin} }}"))
        .collect();
    if denied.is_empty() {
        return text.why(2, "so no rule about executables");
    }
    rule(text, taken, "exec", "exec");
    text.why(4, "nothing of the kind was executed");
    text.line(4, format!("deny: [{}]", denied.join(", ")));
}

fn unique(taken: &mut BTreeSet<String>, id: &str) -> String {
    let mut candidate = id.to_owned();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{id}-{number}");
        number += 1;
    }
    candidate
}
