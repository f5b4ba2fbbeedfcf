//! The tree as lines: a time on the left, the tree beside it.

use cofferdam_model::{AccessRow, AttemptRow, ConnectionRow, DetectionRow, ProcessRow, WallTime};

use super::tree::{Happening, Head, Process, Tree};
use crate::moment::{between, offset, span, to_millis};
use crate::show::{
    Decided, act, count_of, destination, finding, how, number, process_flags, secret_name, taint, tried,
};
use crate::text::{BAD, BOLD, DIM, Line, NOTABLE, PLAIN};

/// Levels that are drawn; what lies deeper is drawn at this depth, with its depth as a number.
const DEEPEST: usize = 24;
/// Columns between the time and the tree.
const GAP: usize = 2;
/// By how much further lines of an entry are indented.
const HANGING: usize = 8;
/// What is left of a line is not wrapped to fewer columns than this.
const NARROWEST: usize = 40;
/// So many like processes in a row, which did nothing of note, are one line.
const ALIKE: usize = 4;

/// The heading and the tree, wrapped to the terminal's columns if there is one.
pub(super) fn draw(tree: &Tree<'_>, columns: Option<usize>) -> Vec<Line> {
    let began = tree.top.first().map_or(WallTime::from_nanos(0), Happening::at);
    let mut lines = heading(tree, began);
    let mut drawn = Vec::new();
    // Not recursive: how deep processes nest is the container's choice.
    let mut open = vec![Level { happenings: &tree.top, next: 0 }];
    while let Some(depth) = open.len().checked_sub(1) {
        let level = &mut open[depth];
        let Some(happening) = level.happenings.get(level.next) else {
            open.pop();
            continue;
        };
        let alike = alike(tree, &level.happenings[level.next..]);
        level.next += alike;
        let last = level.next == level.happenings.len();
        let content = if alike > 1 {
            many(tree, &level.happenings[level.next - alike..level.next])
        } else {
            content(tree, happening)
        };
        let has_more = alike == 1
            && matches!(happening, Happening::Child(child, _) if !tree.processes[*child].happenings.is_empty());
        drawn.push((happening.at(), branch(&open, last), content, has_more));
        if let (Happening::Child(child, _), 1) = (happening, alike) {
            open.push(Level { happenings: &tree.processes[*child].happenings, next: 0 });
        }
    }
    let times: Vec<_> = drawn.iter().map(|(at, ..)| format!("+{}", offset(between(began, *at)))).collect();
    let widest = times.iter().map(String::len).max().unwrap_or(0);
    for (time, (_, branch, content, has_more)) in times.into_iter().zip(drawn) {
        let taken = widest + GAP + branch.chars().count();
        let content = match columns {
            Some(columns) if taken + content.width() > columns => {
                content.wrapped(columns.saturating_sub(taken + HANGING).max(NARROWEST))
            }
            _ => vec![content],
        };
        let below = below(&branch, has_more);
        for (index, content) in content.into_iter().enumerate() {
            let (time, branch) = if index == 0 { (time.as_str(), &branch) } else { ("", &below) };
            let mut line = Line::of(DIM, format!("{time:>widest$}{:GAP$}{branch}", ""));
            line.append(content);
            lines.push(line);
        }
    }
    lines
}

/// The lines of the tree in front of a further line of an entry.
fn below(branch: &str, has_more: bool) -> String {
    let last = branch.ends_with("└─ ");
    let above = branch.trim_end_matches("├─ ").trim_end_matches("└─ ");
    let (beside, under) = (if last { "   " } else { "│  " }, if has_more { "│  " } else { "   " });
    format!("{above}{beside}{under}{:1$}", "", HANGING - under.chars().count())
}

struct Level<'a> {
    happenings: &'a [Happening<'a>],
    next: usize,
}

fn heading(tree: &Tree<'_>, began: WallTime) -> Vec<Line> {
    let name = match tree.workload {
        Some(name) => Line::of(BOLD, name),
        None => Line::of(NOTABLE, "unknown workload"),
    };
    let mut counts = [0u64; 4];
    let happenings = tree.processes.iter().flat_map(|process| &process.happenings).chain(&tree.top);
    for happening in happenings {
        match happening {
            Happening::Access(_) => counts[0] += 1,
            Happening::Connection(_) => counts[1] += 1,
            Happening::Attempt(_) => counts[2] += 1,
            Happening::Detection(_) => counts[3] += 1,
            _ => {}
        }
    }
    let left_out = tree.processes.iter().filter(|process| process.left_out).count();
    let mut processes = match tree.processes.len() - left_out {
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    };
    if left_out > 0 {
        processes.push_str(&format!(" (and {left_out} of the runtime)"));
    }
    let accesses = if counts[0] == 1 { "1 access".to_owned() } else { format!("{} accesses", counts[0]) };
    let if_any = |count: u64, what: &str| match count {
        0 => String::new(),
        _ => format!(", {}", count_of(count, what)),
    };
    let (attempts, detections) = (if_any(counts[2], "attempt"), if_any(counts[3], "detection"));
    let summary = format!(
        "from {} UTC: {processes}, {accesses}, {}{attempts}{detections}",
        to_millis(began),
        count_of(counts[1], "connection")
    );
    vec![name, Line::of(DIM, summary)]
}

/// The lines of the tree in front of an entry.
fn branch(open: &[Level<'_>], last: bool) -> String {
    let Some((_, above)) = open.split_last() else { return String::new() };
    let mut branch = String::new();
    let hidden = above.len().saturating_sub(DEEPEST);
    if hidden > 0 {
        branch.push_str(&format!("⋯{hidden} "));
    }
    for level in &above[hidden..] {
        branch.push_str(if level.next == level.happenings.len() { "   " } else { "│  " });
    }
    branch.push_str(if last { "└─ " } else { "├─ " });
    branch
}

fn content(tree: &Tree<'_>, happening: &Happening<'_>) -> Line {
    match happening {
        Happening::Child(child, _) => process(tree, &tree.processes[*child]),
        Happening::Exec(row) => exec(row),
        Happening::Access(row) => access(row),
        Happening::Connection(row) => connection(row),
        Happening::Attempt(row) => attempt(row),
        Happening::Audit(row) => act(row),
        Happening::Detection(row) => detection(row),
        Happening::Loss(row) if !row.reason.is_loss() => Line::of(NOTABLE, "counted")
            .with(PLAIN, format!(" {} of {}: {}", count_of(row.count, "event"), row.hook, row.reason)),
        Happening::Loss(row) => Line::of(BAD, format!("LOST {}", count_of(row.count, "event")))
            .with(PLAIN, format!(" of {} until {}: {}", row.hook, to_millis(row.until), row.reason)),
    }
}

fn process(tree: &Tree<'_>, process: &Process<'_>) -> Line {
    let mut line = Line::new();
    let parent = process.parent.map(|parent| &tree.processes[parent]);
    match process.head {
        Head::Program(row) => {
            line.push(BOLD, row.binary.as_deref().unwrap_or("?"));
            line.push(DIM, format!("({})", row.pid));
            let inherited = parent.is_some_and(|parent| in_exec_session(parent.head) == Some(true));
            let exec_session = row.exec_session.filter(|_| !inherited);
            line.append(process_flags(row.binary_origin, exec_session));
            line.append(circumstances(row));
            if parent.and_then(|parent| uid(parent.head)) != Some(row.uid) {
                line.push(PLAIN, format!(" uid {}", row.uid));
            }
        }
        Head::Access(row) => line.append(heard_of(row.binary.as_deref(), row.pid)),
        Head::Connection(row) => line.append(heard_of(row.binary.as_deref(), row.pid)),
        Head::Attempt(row) => line.append(heard_of(row.binary.as_deref(), row.pid)),
    }
    if let Some(ended) = process.ended() {
        line.push(DIM, format!(" · ended after {}", span(between(process.born(), ended))));
    }
    line
}

/// A process whose start is not among the rows: it lies before the range, or was lost.
fn heard_of(binary: Option<&str>, pid: Option<u32>) -> Line {
    let pid = pid.map_or_else(String::new, |pid| format!("({pid})"));
    Line::of(BOLD, binary.unwrap_or("?")).with(DIM, format!("{pid} (its start is not in this answer)"))
}

fn exec(row: &ProcessRow) -> Line {
    let mut line = Line::of(PLAIN, "exec    ").with(BOLD, row.binary.as_deref().unwrap_or("?"));
    line.append(process_flags(row.binary_origin, None));
    line.append(circumstances(row));
    line
}

fn circumstances(row: &ProcessRow) -> Line {
    let mut line = Line::new();
    if let Some(interpreter) = &row.interpreter {
        line.push(PLAIN, format!(" by {interpreter}"));
    }
    if row.runtime {
        line.push(DIM, " [runtime]");
    }
    if row.adopted {
        line.push(DIM, " [ran before the agent]");
    }
    line
}

fn access(row: &AccessRow) -> Line {
    let mut line = Line::of(PLAIN, "secret  ");
    line.append(secret_name(row));
    line.push(PLAIN, "  ");
    line.append(how(row.how, row.mode));
    line.append(outcome(row.count, row.into()));
    line.append(itemised(row.pid));
    line
}

fn connection(row: &ConnectionRow) -> Line {
    let mut line = Line::of(PLAIN, "connect");
    if row.destination.is_some() {
        line.push(PLAIN, " ");
        line.append(destination(row));
    }
    line.append(outcome(row.count, row.into()));
    if !row.tainted_by.is_empty() {
        line.push(PLAIN, "  after ");
        line.append(taint(&row.tainted_by));
    }
    line.append(itemised(row.pid));
    line
}

fn attempt(row: &AttemptRow) -> Line {
    let mut line = tried(row);
    line.append(outcome(1, row.into()));
    line
}

fn detection(row: &DetectionRow) -> Line {
    let mut line = Line::of(BAD, "DETECTED ");
    line.append(finding(row));
    line
}

/// Why there is no process to put it under.
fn itemised(pid: Option<u32>) -> Line {
    match pid {
        Some(_) => Line::new(),
        None => Line::of(DIM, "  (over budget: counted, but not by process)"),
    }
}

/// How often, and the verdict with its rule unless it was simply allowed.
fn outcome(count: u64, decided: Decided<'_>) -> Line {
    let mut line = Line::new();
    if count != 1 {
        line.push(PLAIN, format!(" ×{}", number(count)));
    }
    if !decided.is_plain() {
        line.push(PLAIN, "  ");
        line.append(decided.in_full());
    }
    line
}

fn in_exec_session(head: Head<'_>) -> Option<bool> {
    match head {
        Head::Program(row) => row.exec_session,
        Head::Access(row) => row.exec_session,
        Head::Connection(row) => row.exec_session,
        Head::Attempt(row) => row.exec_session,
    }
}

fn uid(head: Head<'_>) -> Option<u32> {
    match head {
        Head::Program(row) => Some(row.uid),
        Head::Access(row) => row.uid,
        Head::Connection(row) => row.uid,
        Head::Attempt(row) => row.uid,
    }
}

/// How many entries from the first on are one line: children that ran the same program and did nothing of note.
fn alike(tree: &Tree<'_>, happenings: &[Happening<'_>]) -> usize {
    let idle = |happening: &Happening<'_>| match happening {
        Happening::Child(child, _) => match &tree.processes[*child] {
            Process { head: Head::Program(row), happenings, .. } if happenings.is_empty() => Some((
                row.binary.clone(),
                row.binary_origin,
                row.exec_session,
                row.uid,
                row.interpreter.clone(),
            )),
            _ => None,
        },
        _ => None,
    };
    let Some(first) = happenings.first().and_then(idle) else { return 1 };
    let alike = happenings.iter().take_while(|happening| idle(happening).as_ref() == Some(&first)).count();
    if alike >= ALIKE { alike } else { 1 }
}

fn many(tree: &Tree<'_>, happenings: &[Happening<'_>]) -> Line {
    let rows: Vec<_> = happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::Child(child, _) => match tree.processes[*child].head {
                Head::Program(row) => Some(row),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Line::new() };
    let mut line = Line::of(BOLD, first.binary.as_deref().unwrap_or("?"));
    line.push(DIM, format!("({} … {})", first.pid, last.pid));
    line.push(PLAIN, format!(" ×{}", rows.len()));
    line.append(process_flags(first.binary_origin, first.exec_session));
    line.push(DIM, format!(" over {}", span(between(first.began, last.began))));
    line
}
