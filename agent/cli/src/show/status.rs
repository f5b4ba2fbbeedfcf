//! `status`: how the agent is, worst news last, where it is read first.

use cofferdam_api::{Status, WorkloadCount};

use super::{count_of, number};
use crate::moment::{between, span, to_seconds};
use crate::table::{Cell, Table};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};
use cofferdam_model::WallTime;

/// Of a table's capacity; from here on it is worth a look.
const NEARLY_FULL: u64 = 80;

/// The status as of `now`.
pub(crate) fn status(status: &Status, now: WallTime, columns: Option<usize>) -> Vec<Line> {
    let mut lines = vec![who(status), readiness(status, now), Line::new()];
    lines.extend(overview(status).into_iter().map(|(title, value)| {
        let mut line = Line::of(BOLD, format!("{title:<10}"));
        line.append(value);
        line
    }));
    let blocks = [
        sources(status),
        events(status),
        counters(status),
        rules(status),
        workloads("LOST, BY WORKLOAD", &status.losses),
        workloads("OVER BUDGET, BY WORKLOAD", &status.over_budget),
        tables(status),
    ];
    for table in blocks.into_iter().filter(|table| !table.is_empty()) {
        lines.push(Line::new());
        lines.extend(table.into_lines(columns));
    }
    lines.push(Line::new());
    lines.push(closing(status));
    lines
}

/// Whether the agent itself knows of a gap.
pub(crate) fn is_complete(status: &Status) -> bool {
    status.losses.iter().all(|loss| loss.count == 0)
        && status.journal.errors.is_empty()
        && status.ready.is_some()
}

fn who(status: &Status) -> Line {
    let mut line = Line::of(BOLD, format!("cofferdamd {}", status.agent_version));
    line.push(PLAIN, format!(" on {}", status.node));
    if let Some(cluster) = &status.cluster {
        line.push(PLAIN, format!(" of {cluster}"));
    }
    line.push(DIM, format!("  pid {}, ABI {}, boot {}", status.pid, status.abi_version, status.boot_id));
    line
}

fn readiness(status: &Status, now: WallTime) -> Line {
    let mut line = match status.ready {
        Some(ready) => Line::of(GOOD, "ready")
            .with(PLAIN, format!(" since {} UTC ({})", to_seconds(ready), span(between(ready, now)))),
        None => Line::of(NOTABLE, "starting").with(
            PLAIN,
            format!(" since {} UTC: hooks are not all attached yet", to_seconds(status.started)),
        ),
    };
    match status.tier {
        Some(tier) => line.push(PLAIN, format!(", tier {tier}")),
        None => line.push(NOTABLE, ", no tier"),
    }
    line
}

fn overview(status: &Status) -> Vec<(&'static str, Line)> {
    let attached = status.programs.iter().filter(|program| program.attached).count();
    let missing: Vec<_> = status
        .programs
        .iter()
        .filter(|program| !program.attached)
        .map(|program| program.name.as_str())
        .collect();
    let mut programs = Line::of(PLAIN, format!("{attached} of {} attached", status.programs.len()));
    if !missing.is_empty() {
        programs.push(NOTABLE, format!("; missing: {} (`cofferdam doctor` says why)", missing.join(", ")));
    }
    let rings: Vec<_> =
        status.rings.iter().map(|ring| format!("{} {}", ring.name, size(ring.bytes))).collect();
    let journal = &status.journal;
    let oldest = match journal.oldest {
        Some(time) => format!(", oldest {} UTC", to_seconds(time)),
        None => String::new(),
    };
    let journal_line = Line::of(
        PLAIN,
        format!(
            "{} of {}, {} in {}{oldest}",
            size(journal.bytes),
            size(journal.max_bytes),
            count_of(journal.rows, "row"),
            count_of(journal.segments, "segment"),
        ),
    )
    .with(DIM, format!("  {}", journal.path));
    let memory =
        format!("{} resident, {} in maps", size(status.memory.rss_bytes), size(status.memory.map_bytes));
    let mut overview = vec![("programs", programs), ("journal", journal_line)];
    overview.extend(journal.errors.iter().map(|error| ("", Line::of(BAD, error))));
    overview.extend([
        ("memory", Line::of(PLAIN, memory)),
        ("rings", Line::of(PLAIN, rings.join(", "))),
        ("rules", at_work(status)),
        ("watchers", Line::of(PLAIN, status.watchers.to_string())),
    ]);
    overview
}

fn at_work(status: &Status) -> Line {
    let off = status.rules.iter().filter(|rule| rule.off).count();
    let mut line = Line::of(PLAIN, format!("{} at work", status.rules.len() - off));
    if off > 0 {
        line.push(NOTABLE, format!(", {off} off"));
    }
    line.with(DIM, "  (`cofferdam rules list`)")
}

fn sources(status: &Status) -> Table {
    let mut table = Table::new(&["SOURCE", "STATE"]);
    for source in &status.sources {
        let style = if source.ok { PLAIN } else { NOTABLE };
        table.row(vec![Cell::new(PLAIN, &source.name), Cell::new(style, &source.state)]);
    }
    table
}

fn events(status: &Status) -> Table {
    let mut table = Table::new(&["HOOK", "EVENTS>"]);
    for hook in &status.events {
        table.row(vec![Cell::new(PLAIN, &hook.hook), Cell::new(PLAIN, number(hook.events))]);
    }
    table
}

fn counters(status: &Status) -> Table {
    let mut table = Table::new(&["COUNTER", "REASON", "COUNT>"]);
    for counter in status.counters.iter().filter(|counter| counter.count > 0) {
        table.row(vec![
            Cell::new(PLAIN, &counter.hook),
            Cell::new(PLAIN, &counter.reason),
            Cell::new(NOTABLE, number(counter.count)),
        ]);
    }
    table
}

/// The rules that have done anything.
fn rules(status: &Status) -> Table {
    let mut table = Table::new(&["RULE", "FOUND>", "WITHHELD>", "UNDECIDED>", "CUT>", "FORGOTTEN>"]);
    for rule in &status.rules {
        let counts = [rule.found, rule.withheld, rule.undecided, rule.cut, rule.forgotten];
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let mut cells = vec![Cell::new(PLAIN, &rule.name)];
        let styles = [BAD, PLAIN, PLAIN, NOTABLE, NOTABLE];
        cells.extend(counts.iter().zip(styles).map(|(count, style)| match count {
            0 => Cell::new(DIM, "-"),
            _ => Cell::new(style, number(*count)),
        }));
        table.row(cells);
    }
    table
}

fn workloads(title: &'static str, counts: &[WorkloadCount]) -> Table {
    let mut table = Table::new(&[title, "EVENTS>"]);
    for count in counts.iter().filter(|count| count.count > 0) {
        table.row(vec![
            Cell::new(PLAIN, count.workload.as_deref().unwrap_or("unknown")),
            Cell::new(NOTABLE, number(count.count)),
        ]);
    }
    table
}

fn tables(status: &Status) -> Table {
    let mut table = Table::new(&["TABLE", "USED>", "CAPACITY>", "FULL>"]);
    for fill in &status.tables {
        let percent = fill.used.saturating_mul(100) / fill.capacity.max(1);
        let style = match percent {
            100.. => BAD,
            NEARLY_FULL.. => NOTABLE,
            _ => PLAIN,
        };
        table.row(vec![
            Cell::new(PLAIN, &fill.name),
            Cell::new(PLAIN, number(fill.used)),
            Cell::new(PLAIN, number(fill.capacity)),
            Cell::new(style, format!("{percent} %")),
        ]);
    }
    table
}

fn closing(status: &Status) -> Line {
    if is_complete(status) {
        return Line::of(GOOD, "complete").with(PLAIN, ": nothing lost since the agent started");
    }
    let lost: u64 = status.losses.iter().map(|loss| loss.count).sum();
    let mut reasons = Vec::new();
    if status.ready.is_none() {
        reasons.push("the agent is still starting".to_owned());
    }
    if lost > 0 {
        reasons.push(format!("{} lost since the agent started", count_of(lost, "event")));
    }
    reasons.extend(status.journal.errors.iter().cloned());
    Line::of(BAD, "INCOMPLETE").with(PLAIN, format!(": {}", reasons.join("; ")))
}

/// `12.3 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
