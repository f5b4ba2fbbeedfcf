//! A filter, resolved: names become the ids that stand in the rows.

use std::collections::HashSet;

use cofferdam_model::{BootTime, Filter, Severity, Verdict, WallTime};
use rusqlite::{Result, ToSql, params_from_iter};

use super::library::{BootIndex, Clocks, Library, Part, Who};
use super::pattern::Pattern;
use crate::codec::Columns;

/// What to look for, in ids.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) since: Option<WallTime>,
    pub(super) until: Option<WallTime>,
    /// Only these workloads.
    pub(super) workloads: Option<HashSet<Who>>,
    /// Workloads that rows speak of and nobody has named.
    pub(super) unnamed: HashSet<Who>,
    /// Only these secrets: as asked for, and by identity.
    pub(super) secret: Option<Pattern>,
    pub(super) secrets: Option<HashSet<String>>,
    pub(super) verdict: Option<Verdict>,
    /// Only what was refused or would have been.
    pub(super) refused: bool,
    pub(super) binary: Option<Pattern>,
    /// Of detections, those at least this bad, and those of such rules.
    pub(super) severity: Option<Severity>,
    pub(super) rule: Option<Pattern>,
    pub(super) limit: Option<u64>,
}

impl Question {
    /// Asks the names of every segment: one that arrived late counts for what happened before.
    pub(super) fn resolve(library: &Library, filter: &Filter) -> Self {
        let mut question = Self {
            since: filter.since,
            until: filter.until,
            workloads: workload_condition(filter).map(|_| HashSet::new()),
            unnamed: HashSet::new(),
            secret: filter.secret.as_deref().map(Pattern::new),
            secrets: filter.secret.as_ref().map(|_| HashSet::new()),
            verdict: filter.verdict,
            refused: false,
            binary: filter.binary.as_deref().map(Pattern::new),
            severity: filter.severity,
            rule: filter.rule.as_deref().map(Pattern::new),
            limit: filter.limit,
        };
        for index in 0..library.parts.len() {
            library.ask(index, |part| question.resolve_in(part, filter));
        }
        question
    }

    fn resolve_in(&mut self, part: &Part, filter: &Filter) -> Result<()> {
        if let (Some(found), Some((condition, values))) = (&mut self.workloads, workload_condition(filter)) {
            let sql = format!("SELECT DISTINCT boot, workload FROM workload WHERE {condition}");
            found.extend(whos(part, &sql, values)?);
        }
        self.unnamed.extend(whos(
            part,
            "SELECT boot, workload FROM workload WHERE name IS NULL",
            Vec::new(),
        )?);
        // Named in this segment, or in an earlier one whose name was carried over.
        let unnamed: Vec<Who> = self.unnamed.iter().copied().collect();
        let mut named = part.conn.prepare_cached(
            "SELECT 1 FROM workload WHERE boot = ?1 AND workload = ?2 AND name IS NOT NULL",
        )?;
        for who in unnamed {
            let Some(number) = part.number(who.0) else { continue };
            if named.exists((number, who.1.0.cast_signed()))? {
                self.unnamed.remove(&who);
            }
        }
        if let (Some(found), Some(pattern)) = (&mut self.secrets, &self.secret) {
            let mut values: Vec<Box<dyn ToSql>> = Vec::new();
            let plain = pattern.condition("display", &mut values);
            let keyed = pattern.condition("display || ':' || key", &mut values);
            let sql = format!("SELECT identity FROM secret WHERE {plain} OR {keyed}");
            let mut statement = part.conn.prepare(&sql)?;
            for identity in statement.query_map(params_from_iter(values), |row| row.get(0))? {
                found.insert(identity?);
            }
        }
        Ok(())
    }

    /// Whether something that lasted from `first` to `last` lies in the range that was asked for.
    pub(super) fn in_range(
        &self,
        library: &Library,
        boot: BootIndex,
        first: BootTime,
        last: BootTime,
    ) -> bool {
        self.since.is_none_or(|since| library.wall(boot, last) >= since)
            && self.until.is_none_or(|until| library.wall(boot, first) < until)
    }

    /// Whether a segment can hold anything of the range.
    pub(super) fn may_hold(&self, clocks: &Clocks<'_>, part: &Part) -> bool {
        clocks.range(part).is_some_and(|(since, until)| {
            self.since.is_none_or(|asked| until >= asked) && self.until.is_none_or(|asked| since < asked)
        })
    }

    /// The same question about what was refused, or would have been.
    pub(super) fn about_denials(self) -> Self {
        Self { refused: true, ..self }
    }

    pub(super) fn wants_verdict(&self, verdict: Verdict) -> bool {
        self.verdict.is_none_or(|wanted| wanted == verdict) && !(self.refused && verdict == Verdict::Allowed)
    }

    pub(super) fn wants(&self, who: Who) -> bool {
        self.workloads.as_ref().is_none_or(|wanted| wanted.contains(&who))
    }
}

fn whos(part: &Part, sql: &str, values: Vec<Box<dyn ToSql>>) -> Result<Vec<Who>> {
    let mut statement = part.conn.prepare(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let mut c = Columns::of(row);
        Ok((part.boot(c.get()?)?, c.workload()?))
    })?;
    rows.collect()
}

/// The condition on the table `workload`, if the filter has any.
pub(super) fn workload_condition(filter: &Filter) -> Option<(String, Vec<Box<dyn ToSql>>)> {
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut conditions = Vec::new();
    for (column, text) in [("name", &filter.workload), ("namespace", &filter.namespace), ("pod", &filter.pod)]
    {
        if let Some(text) = text {
            conditions.push(Pattern::new(text).condition(column, &mut values));
        }
    }
    if let Some(text) = &filter.container {
        let pattern = Pattern::new(text);
        let name = pattern.condition("container", &mut values);
        let id = if pattern.is_exact() && pattern.text().len() >= Filter::ID_PREFIX {
            Pattern::new(&format!("{text}*"))
        } else {
            pattern
        };
        conditions.push(format!("({name} OR {})", id.condition("container_id", &mut values)));
    }
    (!conditions.is_empty()).then(|| (conditions.join(" AND "), values))
}
