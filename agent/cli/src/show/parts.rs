//! How single values look, the same in every answer.

use cofferdam_model::{AccessKind, AccessMode, AccessRow, BinaryOrigin, ConnectionRow, TargetRelation};

use crate::table::{Cell, Shorten};
use crate::text::{BAD, BOLD, DIM, Line, NOTABLE, PLAIN};

/// What stands for a process that was only counted, because its workload had exceeded its budget.
pub(super) const COUNTED_ONLY: &str = "(over budget)";

/// A workload's name; for one that could not be named the cgroup, as far as known.
pub(crate) fn workload_name(workload: Option<&str>, cgroup: Option<&str>) -> Cell {
    match (workload, cgroup) {
        (Some(name), _) => Cell::shortened(Shorten::Middle, PLAIN, name, Line::new()),
        (None, Some(cgroup)) => {
            Cell::shortened(Shorten::Middle, NOTABLE, &format!("unknown:{cgroup}"), Line::new())
        }
        (None, None) => Cell::new(NOTABLE, "unknown"),
    }
}

/// `/usr/bin/python3(4242) [written] [exec]`.
pub(crate) fn program(
    binary: Option<&str>,
    pid: Option<u32>,
    origin: BinaryOrigin,
    exec_session: Option<bool>,
) -> Cell {
    let Some(pid) = pid else { return Cell::new(DIM, COUNTED_ONLY) };
    let mut tail = Line::of(DIM, format!("({pid})"));
    tail.append(process_flags(origin, exec_session));
    Cell::shortened(Shorten::Path, PLAIN, binary.unwrap_or("?"), tail)
}

/// What is unusual about where a program came from and how it got there; each flag after a space.
pub(crate) fn process_flags(origin: BinaryOrigin, exec_session: Option<bool>) -> Line {
    let mut flags = origin_flag(origin);
    if exec_session == Some(true) {
        flags.push(NOTABLE, " [exec session]");
    }
    flags
}

/// What is unusual about where a program came from.
pub(super) fn origin_flag(origin: BinaryOrigin) -> Line {
    match origin {
        BinaryOrigin::Image | BinaryOrigin::Host => Line::new(),
        BinaryOrigin::Written | BinaryOrigin::Memfd | BinaryOrigin::Deleted => {
            Line::of(BAD, format!(" [{origin}]"))
        }
        BinaryOrigin::Unknown => Line::of(DIM, " [origin unknown]"),
    }
}

/// The secret with its key; for an environment or memory, whose.
pub(crate) fn secret_name(row: &AccessRow) -> Line {
    let (mut line, other, process) = secret_parts(row);
    line.push(BAD, other.unwrap_or_default());
    line.append(process);
    line
}

/// The same for a table, where the other workload's name may be shortened.
pub(super) fn secret_cell(row: &AccessRow) -> Cell {
    match secret_parts(row) {
        (lead, Some(other), process) => Cell::shortened(Shorten::Middle, BAD, other, process).led_by(lead),
        (mut line, None, process) => {
            line.append(process);
            line.into()
        }
    }
}

/// The secret, the workload that it was taken from if that is another one, and the process.
fn secret_parts(row: &AccessRow) -> (Line, Option<&str>, Line) {
    let mut line = Line::of(PLAIN, &row.secret);
    if let Some(key) = &row.key {
        line.push(PLAIN, format!(":{key}"));
    }
    let Some(target) = &row.target else { return (line, None, Line::new()) };
    let binary = target.binary.as_deref().unwrap_or("?");
    let process = format!(" {}({})", binary.rsplit('/').next().unwrap_or(binary), target.pid);
    match target.relation {
        TargetRelation::Own => (line.with(DIM, " of itself"), None, Line::new()),
        TargetRelation::Sibling => {
            (line.with(NOTABLE, " of its neighbour"), None, Line::of(NOTABLE, process))
        }
        TargetRelation::Other => {
            let workload = target.workload.as_deref().unwrap_or("an unknown workload");
            (line.with(BAD, " of "), Some(workload), Line::of(BAD, process))
        }
    }
}

/// How it was reached, and what was asked for unless that goes without saying.
pub(crate) fn how(how: AccessKind, mode: AccessMode) -> Line {
    match mode {
        AccessMode::Read => Line::of(PLAIN, how.as_str()),
        AccessMode::Write | AccessMode::ReadWrite | AccessMode::Attach => {
            Line::of(PLAIN, how.as_str()).with(NOTABLE, format!(" {mode}"))
        }
    }
}

/// `10.0.0.5:5432/tcp`, `[fd00::1]:53/udp`.
pub(crate) fn destination(row: &ConnectionRow) -> Line {
    let Some(address) = &row.destination else { return Line::of(DIM, "-") };
    let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
    let mut line = Line::of(BOLD, address).with(PLAIN, format!(":{}/{}", row.port, row.protocol));
    if row.unconnected {
        line.push(DIM, " send");
    }
    line
}

/// Secrets that the process had touched before.
pub(crate) fn taint(tainted_by: &[String]) -> Line {
    Line::of(NOTABLE, tainted_by.join(", "))
}

/// `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown = [0, 12, 123, 1_234, 1_234_567].map(number);
        assert_eq!(shown, ["0", "12", "123", "1,234", "1,234,567"]);
    }
}
