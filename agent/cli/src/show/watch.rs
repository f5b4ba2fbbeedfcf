//! `watch`: one line per event, in columns that do not depend on what comes later.

use cofferdam_api::Event;
use cofferdam_model::{
    AccessRow, AttemptRow, BinaryOrigin, ConnectionRow, DetectionRow, LossRow, ProcessRow,
};

use super::parts::COUNTED_ONLY;
use super::{
    Decided, act, count_of, destination, finding, how, number, process_flags, secret_name, secret_of, taint,
    tried,
};
use crate::moment::to_millis;
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// Columns for the kind of event.
const KIND: usize = 8;
/// Columns for the workload, at first and at most: a longer name widens the column from there on.
const WORKLOAD: (usize, usize) = (28, 56);

/// Shows live events in columns.
#[derive(Debug)]
pub(crate) struct Watcher {
    workload: usize,
}

impl Watcher {
    /// For a watch that begins.
    pub(crate) fn new() -> Self {
        Self { workload: WORKLOAD.0 }
    }

    /// The first line.
    pub(crate) fn heading(&self) -> Line {
        let columns = self.workload;
        Line::of(BOLD, format!("{:<23}  {:<KIND$}  {:<columns$}  WHAT", "TIME (UTC)", "EVENT", "WORKLOAD"))
    }

    /// One event.
    pub(crate) fn event(&mut self, event: &Event) -> Line {
        let wide = event.workload().map_or(0, crate::text::width);
        self.workload = wide.clamp(self.workload, WORKLOAD.1);
        line(event, self.workload)
    }
}

fn line(event: &Event, columns: usize) -> Line {
    let mut line = Line::of(DIM, to_millis(event.time())).with(PLAIN, "  ");
    let (kind, style, what) = match event {
        Event::Process(row) => process(row),
        Event::Access(row) => ("access", BOLD, access(row)),
        Event::Connection(row) => ("connect", BOLD, connection(row)),
        Event::Attempt(row) => ("attempt", BOLD, attempt(row)),
        Event::Audit(row) => ("audit", NOTABLE, act(row)),
        Event::Detection(row) => ("DETECTED", BAD, detection(row)),
        Event::Loss(row) if row.reason.is_loss() => ("LOST", BAD, loss(row)),
        Event::Loss(row) => ("counted", NOTABLE, loss(row)),
    };
    line.append(padded(Line::of(style, kind), KIND));
    let workload = match event.workload() {
        Some(workload) => Line::of(PLAIN, workload),
        None if matches!(event, Event::Audit(_)) => Line::of(DIM, "-"),
        None => Line::of(NOTABLE, "unknown"),
    };
    line.append(padded(workload, columns));
    line.append(what);
    line
}

/// That this watcher was too slow.
pub(crate) fn missed(count: u64) -> Line {
    Line::of(BAD, format!("MISSED {}", count_of(count, "event")))
        .with(PLAIN, " that came too fast for this watch; `accesses`, `connections` and `timeline` have them")
}

/// The last line of a watch.
pub(crate) fn watched(events: u64, missed: u64, lost: u64, agent_stopped: bool) -> Line {
    let shown = format!(": {} shown", count_of(events, "event"));
    if missed == 0 && lost == 0 && !agent_stopped {
        return Line::of(GOOD, "complete").with(PLAIN, shown + ", nothing lost while watching");
    }
    let mut line = Line::of(BAD, "INCOMPLETE").with(PLAIN, shown);
    if missed > 0 {
        line.push(PLAIN, format!(", {} missed by this watch", number(missed)));
    }
    if lost > 0 {
        line.push(PLAIN, format!(", {} lost by the agent", number(lost)));
    }
    if agent_stopped {
        line.push(PLAIN, ", until the agent stopped");
    }
    line
}

fn padded(mut line: Line, columns: usize) -> Line {
    line.push(PLAIN, " ".repeat(columns.saturating_sub(line.width()) + 2));
    line
}

fn process(row: &ProcessRow) -> (&'static str, anstyle::Style, Line) {
    let mut line = Line::of(PLAIN, row.binary.as_deref().unwrap_or("?")).with(DIM, format!("({})", row.pid));
    line.append(process_flags(row.binary_origin, row.exec_session));
    if let Some(interpreter) = &row.interpreter {
        line.push(DIM, format!(" by {interpreter}"));
    }
    let kind = match (row.ended, row.adopted) {
        (Some(_), _) => "exit",
        (None, true) => "running",
        (None, false) if row.began == row.process_start => "fork",
        (None, false) => "exec",
    };
    (kind, PLAIN, line)
}

fn actor(binary: Option<&str>, pid: Option<u32>, origin: BinaryOrigin, exec_session: Option<bool>) -> Line {
    let Some(pid) = pid else { return Line::of(DIM, COUNTED_ONLY) };
    let mut line = Line::of(PLAIN, binary.unwrap_or("?")).with(DIM, format!("({pid})"));
    line.append(process_flags(origin, exec_session));
    line
}

fn access(row: &AccessRow) -> Line {
    let mut line = actor(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session);
    line.push(PLAIN, "  ");
    line.append(secret_name(row));
    line.push(PLAIN, "  ");
    line.append(how(row.how, row.mode));
    line.append(outcome(row.count, row.into()));
    line
}

fn connection(row: &ConnectionRow) -> Line {
    let mut line = actor(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session);
    line.push(PLAIN, "  ");
    line.append(destination(row));
    line.append(outcome(row.count, row.into()));
    if !row.tainted_by.is_empty() {
        line.push(PLAIN, "  after ");
        line.append(taint(&row.tainted_by));
    }
    line
}

fn attempt(row: &AttemptRow) -> Line {
    let mut line = actor(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session);
    line.push(PLAIN, "  ");
    line.append(tried(row));
    line.append(outcome(1, row.into()));
    line
}

fn detection(row: &DetectionRow) -> Line {
    let mut line = actor(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session);
    line.push(PLAIN, secret_of(row).map_or_else(String::new, |secret| format!("  {secret}")));
    line.push(PLAIN, "  ");
    line.append(finding(row));
    line
}

fn outcome(count: u64, decided: Decided<'_>) -> Line {
    let mut line = Line::new();
    if count > 1 {
        line.push(PLAIN, format!(" ×{}", number(count)));
    }
    line.push(PLAIN, "  ");
    line.append(decided.in_full());
    line
}

fn loss(row: &LossRow) -> Line {
    Line::of(BOLD, count_of(row.count, "event")).with(PLAIN, format!(" of {}: {}", row.hook, row.reason))
}
