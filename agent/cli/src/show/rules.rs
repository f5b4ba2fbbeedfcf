//! `policy status`: is my rule really enforced here, and if not, why?

use std::collections::HashMap;

use anstyle::Style;
use cofferdam_api::{ExceptionStatus, FailOpen, PolicyMode, PolicyStatus, RefusedFile, RuleStatus};
use cofferdam_model::{EnforcedBy, glob};
use serde::Serialize;

use super::policy::{mode, workloads};
use super::{count_of, number};
use crate::args::Selection;
use crate::moment::to_seconds;
use crate::screen::Screen;
use crate::table::{Cell, Table, indented};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// How a rule stands, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// As it is written.
    Enforced,
    /// In mode observe, and seen.
    Observed,
    /// The policy selects nothing that runs here.
    Unused,
    /// Something denies, but there are ways around it.
    Weaker,
    /// Nothing denies; in mode observe: nothing sees.
    Not,
}

impl Standing {
    fn of(rule: &RuleStatus) -> Self {
        use EnforcedBy::{Cgroup, Fanotify, FmodRet, LateBind, Lsm, ObserveOnly, PathOnly};
        let denies = |by: &EnforcedBy| matches!(by, Lsm | FmodRet | Cgroup | Fanotify | PathOnly);
        let weak = |by: &EnforcedBy| matches!(by, Fanotify | LateBind | ObserveOnly | PathOnly);
        match rule.mode {
            _ if rule.workload.is_none() => Self::Unused,
            PolicyMode::Observe if rule.effective.is_empty() => Self::Not,
            PolicyMode::Observe => Self::Observed,
            PolicyMode::Enforce if !rule.effective.iter().any(denies) => Self::Not,
            PolicyMode::Enforce if rule.late_bind || rule.effective.iter().any(weak) => Self::Weaker,
            PolicyMode::Enforce => Self::Enforced,
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Enforced => GOOD,
            Self::Observed | Self::Unused => DIM,
            Self::Weaker => NOTABLE,
            Self::Not => BAD,
        }
    }
}

/// What of the status was asked for. What concerns the whole node stays.
pub(crate) fn selected(mut status: PolicyStatus, selection: &Selection) -> PolicyStatus {
    let fits = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
        (None, _) => true,
        (Some(pattern), Some(text)) => glob(pattern, text),
        (Some(_), None) => false,
    };
    status.rules.retain(|rule| {
        fits(&selection.policy, Some(&rule.policy)) && fits(&selection.workload, rule.workload.as_deref())
    });
    status.exceptions.retain(|exception| fits(&selection.policy, Some(&exception.policy)));
    status.pending.retain(|workload| fits(&selection.workload, Some(workload)));
    status
}

/// Whether every rule that shall deny does, and nothing else is amiss.
pub(crate) fn is_as_written(status: &PolicyStatus) -> bool {
    status.rules.iter().all(|rule| Standing::of(rule) < Standing::Weaker)
        && status.pending.is_empty()
        && status.refused.is_empty()
        && status.fail_open.iter().all(|counter| counter.count == 0)
}

/// The status as lines for programs.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub(crate) enum Entry<'a> {
    Rule(&'a RuleStatus),
    Exception(&'a ExceptionStatus),
    Pending { workload: &'a str },
    Refused(&'a RefusedFile),
    FailOpen(&'a FailOpen),
}

/// Everything that the status says, one by one.
pub(crate) fn entries(status: &PolicyStatus) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = status.rules.iter().map(Entry::Rule).collect();
    entries.extend(status.exceptions.iter().map(Entry::Exception));
    entries.extend(status.pending.iter().map(|workload| Entry::Pending { workload }));
    entries.extend(status.refused.iter().map(Entry::Refused));
    entries.extend(status.fail_open.iter().map(Entry::FailOpen));
    entries
}

/// The whole status.
pub(crate) fn policy_status(status: &PolicyStatus, screen: Screen) -> Vec<Line> {
    let blocks = [
        rules(&status.rules, screen),
        exceptions(&status.exceptions, screen),
        pending(&status.pending, screen),
        refused(&status.refused, screen),
        fail_open(&status.fail_open, screen),
    ];
    let mut lines = Vec::new();
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        lines.extend(block);
        lines.push(Line::new());
    }
    lines.push(closing(status));
    lines
}

fn rules(rules: &[RuleStatus], screen: Screen) -> Vec<Line> {
    let mut table = Table::new(&["POLICY", "RULE", "KIND", "MODE", "EFFECTIVE", "WORKLOAD"]);
    for (rule, names) in alike(rules) {
        let standing = Standing::of(rule);
        table.row(vec![
            Cell::new(BOLD, &rule.policy),
            Cell::new(PLAIN, &rule.rule),
            Cell::new(PLAIN, rule.kind.as_str()),
            mode(rule.mode).into(),
            effective(rule, standing).into(),
            workloads(&names, screen),
        ]);
        for why in &rule.why {
            table.note(Line::of(if standing == Standing::Not { PLAIN } else { DIM }, why));
        }
    }
    if table.is_empty() { Vec::new() } else { table.into_lines(screen.columns) }
}

/// Rules that stand alike on several workloads, with those workloads.
fn alike(rules: &[RuleStatus]) -> Vec<(&RuleStatus, Vec<String>)> {
    let mut groups: Vec<(&RuleStatus, Vec<String>)> = Vec::new();
    let mut known = HashMap::new();
    for rule in rules {
        let RuleStatus { policy, rule: id, kind, mode, workload, effective, why, late_bind } = rule;
        let group = *known.entry((policy, id, kind, mode, effective, why, late_bind)).or_insert_with(|| {
            groups.push((rule, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.extend(workload.clone());
    }
    groups
}

/// What really enforces a rule, in a word.
fn effective(rule: &RuleStatus, standing: Standing) -> Line {
    let mut by: Vec<_> = rule.effective.iter().map(|by| by.as_str()).collect();
    if rule.late_bind && !rule.effective.contains(&EnforcedBy::LateBind) {
        by.push(EnforcedBy::LateBind.as_str());
    }
    let by = by.join(", ");
    let text = match (standing, rule.mode) {
        (Standing::Not, PolicyMode::Enforce) if by.is_empty() => "NOT ENFORCED".to_owned(),
        (Standing::Not, PolicyMode::Enforce) => format!("NOT ENFORCED: {by}"),
        (Standing::Not, PolicyMode::Observe) => "NOT SEEN".to_owned(),
        _ if by.is_empty() => "-".to_owned(),
        _ => by,
    };
    Line::of(standing.style(), text)
}

fn exceptions(exceptions: &[ExceptionStatus], screen: Screen) -> Vec<Line> {
    let mut table = Table::new(&["EXCEPTION FROM", "RULE", "ALLOWS", "UNTIL (UTC)", "OWNER", "REASON"]);
    for exception in exceptions {
        let (style, state) = if exception.expired { (DIM, " expired") } else { (PLAIN, "") };
        table.row(vec![
            Cell::new(BOLD, &exception.policy),
            Cell::new(style, &exception.rule),
            Cell::new(style, &exception.allow),
            Line::of(style, to_seconds(exception.expires)).with(NOTABLE, state).into(),
            Cell::new(style, &exception.owner),
            Cell::new(style, &exception.reason),
        ]);
    }
    if table.is_empty() { Vec::new() } else { table.into_lines(screen.columns) }
}

fn pending(pending: &[String], screen: Screen) -> Vec<Line> {
    if pending.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["PENDING: ONLY THE BASELINE APPLIES UNTIL LABELS ARE KNOWN"]);
    for workload in pending {
        table.row(vec![Cell::new(NOTABLE, workload)]);
    }
    table.into_lines(screen.columns)
}

fn refused(refused: &[RefusedFile], screen: Screen) -> Vec<Line> {
    if refused.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::of(BOLD, "REFUSED FILES: WHAT THEY SAID BEFORE STAYS IN FORCE")];
    for file in refused {
        lines.push(Line::of(BAD, &file.file).with(DIM, format!("  since {} UTC", to_seconds(file.since))));
        lines.extend(file.message.lines().flat_map(|line| indented(Line::of(PLAIN, line), screen.columns)));
    }
    lines
}

fn fail_open(counters: &[FailOpen], screen: Screen) -> Vec<Line> {
    let mut table = Table::new(&["COULD HAVE PASSED", "TIMES>"]);
    for counter in counters.iter().filter(|counter| counter.count > 0 || screen.wide) {
        let style = if counter.count > 0 { BAD } else { DIM };
        table.row(vec![Cell::new(style, &counter.name), Cell::new(style, number(counter.count))]);
        table.note(Line::of(PLAIN, &counter.means));
    }
    if table.is_empty() { Vec::new() } else { table.into_lines(screen.columns) }
}

fn closing(status: &PolicyStatus) -> Line {
    let count = |standing| status.rules.iter().filter(|rule| Standing::of(rule) == standing).count() as u64;
    let (observed, unused) = (count(Standing::Observed), count(Standing::Unused));
    let mut also = String::new();
    if observed > 0 {
        also.push_str(&format!("; {} in mode observe only", number(observed)));
    }
    if unused > 0 {
        also.push_str(&format!("; {} for nothing that runs here", number(unused)));
    }
    if is_as_written(status) {
        let enforced = count(Standing::Enforced);
        if enforced == 0 {
            return Line::of(NOTABLE, "no rule enforces here").with(PLAIN, also);
        }
        let rules = count_of(enforced, "rule");
        return Line::of(GOOD, "enforced").with(PLAIN, format!(": {rules} as written{also}"));
    }
    let failed: u64 = status.fail_open.iter().map(|counter| counter.count).sum();
    let amiss = [
        (count(Standing::Not), "rule", "not enforced"),
        (count(Standing::Weaker), "rule", "weaker than written"),
        (status.pending.len() as u64, "workload", "pending"),
        (status.refused.len() as u64, "file", "refused"),
        (failed, "event", "that could have passed"),
    ];
    let amiss: Vec<_> = amiss
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, thing, how)| format!("{} {how}", count_of(count, thing)))
        .collect();
    Line::of(BAD, "NOT AS WRITTEN").with(PLAIN, format!(": {}{also}", amiss.join(", ")))
}

#[cfg(test)]
mod tests {
    use cofferdam_api::RuleKind;

    use super::*;

    fn rule(mode: PolicyMode, effective: &[EnforcedBy], late_bind: bool) -> RuleStatus {
        RuleStatus {
            policy: "shop/web".into(),
            rule: "db".into(),
            kind: RuleKind::Secret,
            mode,
            workload: Some("shop/web-1/app".into()),
            effective: effective.to_vec(),
            why: vec![],
            late_bind,
        }
    }

    #[test]
    fn a_rule_is_never_shown_better_than_it_is() {
        use EnforcedBy::{Cgroup, Fanotify, LateBind, Lsm, ObserveOnly, PathOnly};
        use PolicyMode::{Enforce, Observe};
        for (mode, effective, late_bind, standing, shown) in [
            (Enforce, &[Lsm, Cgroup][..], false, Standing::Enforced, "lsm, cgroup"),
            (Enforce, &[Lsm], true, Standing::Weaker, "lsm, late-bind"),
            (Enforce, &[Lsm, LateBind], true, Standing::Weaker, "lsm, late-bind"),
            (Enforce, &[Fanotify], false, Standing::Weaker, "fanotify"),
            (Enforce, &[PathOnly], false, Standing::Weaker, "path-only"),
            (Enforce, &[Cgroup, ObserveOnly], false, Standing::Weaker, "cgroup, observe-only"),
            (Enforce, &[ObserveOnly], false, Standing::Not, "NOT ENFORCED: observe-only"),
            (Enforce, &[LateBind], true, Standing::Not, "NOT ENFORCED: late-bind"),
            (Enforce, &[], false, Standing::Not, "NOT ENFORCED"),
            (Observe, &[Lsm], false, Standing::Observed, "lsm"),
            (Observe, &[], false, Standing::Not, "NOT SEEN"),
        ] {
            let rule = rule(mode, effective, late_bind);
            assert_eq!(Standing::of(&rule), standing, "{rule:?}");
            let mut text = String::new();
            super::effective(&rule, standing).render(false, &mut text);
            assert_eq!(text, shown);
        }
        let unused = RuleStatus { workload: None, ..rule(Enforce, &[], false) };
        assert_eq!(Standing::of(&unused), Standing::Unused);
    }

    #[test]
    fn rules_that_stand_alike_are_told_once() {
        let one = rule(PolicyMode::Enforce, &[EnforcedBy::Lsm], false);
        let other = RuleStatus { workload: Some("shop/web-2/app".into()), ..one.clone() };
        let late = RuleStatus { late_bind: true, ..other.clone() };
        let rules = [one, late, other];
        let groups: Vec<_> = alike(&rules).into_iter().map(|(_, names)| names.join(" ")).collect();
        assert_eq!(groups, ["shop/web-1/app shop/web-2/app", "shop/web-2/app"]);
    }
}
