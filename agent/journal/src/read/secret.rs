//! Secrets: what this node holds, who may see each, who has touched it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use cofferdam_model::{BootTime, SecretRow, WallTime, WorkloadId};
use rusqlite::Result;

use super::library::{Part, Who};
use super::names::{Names, Secret};
use super::question::Question;
use crate::codec::Columns;

/// A secret with all its keys, as it is put together.
#[derive(Debug)]
struct Gathered {
    secret: Rc<Secret>,
    keys: BTreeSet<String>,
    path: Option<String>,
    since: Option<WallTime>,
    /// `Some(None)`: found and not gone.
    until: Option<Option<WallTime>>,
    visible_to: BTreeSet<Who>,
    accessed_by: BTreeSet<Who>,
    accesses: u64,
    last_access: Option<WallTime>,
}

/// What of a secret's identity is not its key: one row of the answer.
type Source = (String, Option<String>, Option<String>, String);

/// All secrets that fit. Accesses are counted in the range; a secret that was neither there nor touched in the range
/// is left out.
pub(super) fn find(names: &mut Names<'_>, question: &Question) -> Vec<SecretRow> {
    let library = names.library;
    let mut gathered: BTreeMap<Source, Gathered> = BTreeMap::new();
    for index in 0..library.parts.len() {
        library.ask(index, |part| {
            gather_found(names, question, index, part, &mut gathered)?;
            gather_visible(names, question, index, part, &mut gathered)?;
            if question.may_hold(&library.clocks(), part) {
                gather_accesses(names, question, index, part, &mut gathered)?;
            }
            Ok(())
        });
    }
    let rows = gathered.into_values().filter(|gathered| relevant(question, gathered));
    let mut rows: Vec<SecretRow> = rows.map(|gathered| explain(names, gathered)).collect();
    rows.sort_by(|a, b| (&a.secret, &a.pod_uid, a.since).cmp(&(&b.secret, &b.pod_uid, b.since)));
    rows
}

/// The entry of a secret, unless the question is not about it.
fn entry<'g>(
    names: &mut Names<'_>,
    question: &Question,
    part: usize,
    id: i64,
    gathered: &'g mut BTreeMap<Source, Gathered>,
) -> Option<&'g mut Gathered> {
    let secret = names.secret(part, id)?;
    if question.secrets.as_ref().is_some_and(|wanted| !wanted.contains(&secret.identity)) {
        return None;
    }
    let scope = secret.pod_uid.clone().or_else(|| secret.namespace.clone());
    let source = (secret.kind.to_string(), scope, owner_of(&secret), secret.display.clone());
    let entry = gathered.entry(source).or_insert_with(|| Gathered {
        secret: Rc::clone(&secret),
        keys: BTreeSet::new(),
        path: None,
        since: None,
        until: None,
        visible_to: BTreeSet::new(),
        accessed_by: BTreeSet::new(),
        accesses: 0,
        last_access: None,
    });
    entry.keys.extend(secret.key.clone());
    Some(entry)
}

/// The owner's part of an identity: its last element.
fn owner_of(secret: &Secret) -> Option<String> {
    let parts: Vec<serde_json::Value> = serde_json::from_str(&secret.identity).ok()?;
    parts.last().filter(|owner| !owner.is_null()).map(ToString::to_string)
}

fn gather_found(
    names: &mut Names<'_>,
    question: &Question,
    index: usize,
    part: &Part,
    gathered: &mut BTreeMap<Source, Gathered>,
) -> Result<()> {
    let library = names.library;
    let mut statement =
        part.conn.prepare("SELECT secret, boot, path, since_boot_ns, until_boot_ns FROM secret_found")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut c = Columns::of(row);
        let (secret, boot) = (c.get()?, part.boot(c.get()?)?);
        let (path, since, until) = (c.get::<Option<String>>()?, c.time()?, c.opt_time()?);
        let Some(entry) = entry(names, question, index, secret, gathered) else { continue };
        entry.path = path.or(entry.path.take());
        let since = library.wall(boot, since);
        entry.since = Some(entry.since.map_or(since, |known| known.min(since)));
        // Segments come oldest first: the latest word stands.
        entry.until = Some(until.map(|until| library.wall(boot, until)));
    }
    Ok(())
}

fn gather_visible(
    names: &mut Names<'_>,
    question: &Question,
    index: usize,
    part: &Part,
    gathered: &mut BTreeMap<Source, Gathered>,
) -> Result<()> {
    let mut statement = part.conn.prepare("SELECT secret, boot, workload FROM secret_visible")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut c = Columns::of(row);
        let (secret, boot, workload) = (c.get()?, part.boot(c.get()?)?, c.workload()?);
        if let Some(entry) = entry(names, question, index, secret, gathered) {
            entry.visible_to.insert((boot, workload));
        }
    }
    Ok(())
}

fn gather_accesses(
    names: &mut Names<'_>,
    question: &Question,
    index: usize,
    part: &Part,
    gathered: &mut BTreeMap<Source, Gathered>,
) -> Result<()> {
    let library = names.library;
    let mut sums: HashMap<(i64, i64, i64), Sum> = HashMap::new();
    let mut statement = part.conn.prepare(
        "SELECT secret, boot, workload, total - base, coalesce(after_boot_ns, first_boot_ns), last_boot_ns FROM access",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut c = Columns::of(row);
        let (secret, number, workload) = (c.get()?, c.get()?, c.get()?);
        let (count, first, last): (u64, BootTime, BootTime) = (c.unsigned()?, c.time()?, c.time()?);
        if question.in_range(library, part.boot(number)?, first, last) {
            let sum = sums.entry((secret, number, workload)).or_insert(Sum { count: 0, first, last });
            let count = sum.count.saturating_add(count);
            *sum = Sum { count, first: sum.first.min(first), last: sum.last.max(last) };
        }
    }
    for ((secret, number, workload), sum) in sums {
        let boot = part.boot(number)?;
        let Some(entry) = entry(names, question, index, secret, gathered) else { continue };
        entry.accesses = entry.accesses.saturating_add(sum.count);
        entry.accessed_by.insert((boot, WorkloadId(workload.cast_unsigned())));
        let last = library.wall(boot, sum.last);
        entry.last_access = Some(entry.last_access.map_or(last, |known| known.max(last)));
        let first = library.wall(boot, sum.first);
        if entry.until.is_none() {
            entry.since = Some(entry.since.map_or(first, |known| known.min(first)));
        }
    }
    Ok(())
}

/// Accesses of one workload to one secret in one segment.
#[derive(Debug, Clone, Copy)]
struct Sum {
    count: u64,
    first: BootTime,
    last: BootTime,
}

fn relevant(question: &Question, gathered: &Gathered) -> bool {
    let concerned = gathered.visible_to.iter().chain(&gathered.accessed_by).any(|who| question.wants(*who));
    if question.workloads.is_some() && !concerned {
        return false;
    }
    let there = question.until.is_none_or(|until| gathered.since.is_none_or(|since| since < until))
        && question.since.is_none_or(|since| gathered.until.flatten().is_none_or(|until| until >= since));
    gathered.accesses > 0 || there
}

fn explain(names: &mut Names<'_>, gathered: Gathered) -> SecretRow {
    let mut spell = |whos: BTreeSet<Who>| -> Vec<String> {
        let known: BTreeSet<String> = whos
            .into_iter()
            .map(|(boot, workload)| {
                names.workload_name((boot, workload)).unwrap_or_else(|| unnamed(workload.0))
            })
            .collect();
        known.into_iter().collect()
    };
    SecretRow {
        visible_to: spell(gathered.visible_to),
        accessed_by: spell(gathered.accessed_by),
        secret: gathered.secret.display.clone(),
        kind: gathered.secret.kind,
        namespace: gathered.secret.namespace.clone(),
        pod_uid: gathered.secret.pod_uid.clone(),
        secret_uid: gathered.secret.uid.clone(),
        keys: gathered.keys.into_iter().collect(),
        path: gathered.path,
        since: gathered.since.unwrap_or(WallTime::from_nanos(0)),
        until: gathered.until.flatten(),
        accesses: gathered.accesses,
        last_access: gathered.last_access,
    }
}

fn unnamed(workload: u64) -> String {
    if workload == 0 { "unknown".to_owned() } else { format!("unknown (cgroup {workload})") }
}

/// Workloads without a name among those that the secrets of this library speak of.
pub(super) fn count_unnamed(rows: &[SecretRow]) -> u64 {
    let spoken = rows.iter().flat_map(|row| &row.accessed_by).filter(|name| name.starts_with("unknown"));
    u64::try_from(spoken.count()).unwrap_or(u64::MAX)
}
