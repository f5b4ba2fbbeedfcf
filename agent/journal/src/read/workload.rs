//! Workloads, as people read them.

use std::collections::HashSet;

use cofferdam_model::{BootTime, WorkloadRow};

use super::library::{Library, Who};
use super::names::Names;
use super::question::Question;
use crate::codec::Columns;

/// All workloads that fit, by when they appeared; each with what is known of it latest.
pub(super) fn find(names: &mut Names<'_>, question: &Question) -> Vec<WorkloadRow> {
    let library = names.library;
    let all = match &question.workloads {
        Some(wanted) => wanted.clone(),
        None => all(library),
    };
    let mut rows: Vec<WorkloadRow> = all.into_iter().filter_map(|who| row(names, question, who)).collect();
    rows.sort_by(|a, b| (a.since, &a.workload).cmp(&(b.since, &b.workload)));
    rows
}

fn all(library: &Library) -> HashSet<Who> {
    let mut found = HashSet::new();
    for index in 0..library.parts.len() {
        library.ask(index, |part| {
            let mut statement =
                part.conn.prepare("SELECT DISTINCT boot, workload FROM workload WHERE name IS NOT NULL")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mut c = Columns::of(row);
                found.insert((part.boot(c.get()?)?, c.workload()?));
            }
            Ok(())
        });
    }
    found
}

fn row(names: &mut Names<'_>, question: &Question, who: Who) -> Option<WorkloadRow> {
    let library = names.library;
    let versions = names.versions(who);
    let latest = versions.last()?.clone();
    let since = latest.since.unwrap_or(latest.valid_from);
    // A later segment may not have been told of the end; any version that knows it is right.
    let until = versions.iter().filter_map(|version| version.until).max();
    if !question.in_range(library, who.0, since, until.unwrap_or(BootTime::from_nanos(u64::MAX))) {
        return None;
    }
    let wall = |time: BootTime| library.wall(who.0, time);
    Some(WorkloadRow {
        workload: latest.name?,
        kind: latest.kind.unwrap_or_default(),
        namespace: latest.namespace,
        pod: latest.pod,
        container: latest.container,
        container_id: latest.container_id,
        pod_uid: latest.pod_uid,
        runtime: latest.runtime,
        cgroup: latest.cgroup_path.unwrap_or_default(),
        cgroup_id: latest.cgroup,
        image: latest.image,
        image_digest: latest.image_digest,
        labels: latest.labels,
        credential_variables: latest.credential_variables,
        since: wall(since),
        until: until.map(wall),
        boot_id: library.boots.get(who.0)?.id.clone(),
    })
}
