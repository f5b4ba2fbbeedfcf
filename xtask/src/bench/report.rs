//! From figures to tables, and which bounds are missed.

use super::catalogue::{Bound, COMPILE, COMPILE_ON_HOST, OPERATIONS, Operation, SINGLES, Single};
use super::figures::Figure;
use super::runs::{Method, Run};
use super::table::{Table, more, quantity};

/// Marks a bound that is missed.
const MISSED: &str = "✗";
const KEPT: &str = "✓";

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// To be shown.
    pub(super) tables: Vec<Table>,
    /// Bounds that are missed, in words; those of times are not among them.
    pub(super) missed: Vec<String>,
    /// Experiments that failed.
    pub(super) failed: Vec<String>,
}

impl Report {
    /// Of everything that was run.
    pub(super) fn of(runs: &[Run]) -> Self {
        let mut report = Self::default();
        for run in runs.iter().filter(|run| run.method == Method::Instructions) {
            report.costs(run, guest_time(runs, run));
        }
        for run in runs.iter().filter(|run| run.method == Method::Host) {
            report.host_costs(run);
        }
        for run in runs {
            report
                .failed
                .extend(run.told.failures.iter().map(|failure| format!("{}: {failure}", place(run))));
            for (heading, singles) in SINGLES {
                report.singles(run, heading, singles);
            }
        }
        report
    }

    /// The lsm tier: instructions, and time for comparison.
    fn costs(&mut self, run: &Run, time: Option<&Run>) {
        let mut table = Table {
            heading: "What an operation costs, lsm tier".to_owned(),
            caption: format!(
                "kernel {}, guest instructions (QEMU, one per nanosecond), without the agent and with it",
                run.kernel
            ),
            columns: titles(&["", "without", "with", "more", "± without", "bound", "time, 2 CPUs"]),
            rows: Vec::new(),
        };
        for operation in OPERATIONS {
            let Some(figure) = run.told.get("cost", operation.name) else { continue };
            let time = time.and_then(|time| time.told.get("cost", operation.name)).and_then(Figure::ratio);
            let mut cells = self.cost_cells(operation, figure, operation.bound, &place(run));
            cells.push(time.map(more).unwrap_or_default());
            table.rows.push(cells);
        }
        self.push(table);
    }

    /// The tracepoint tier: time.
    fn host_costs(&mut self, run: &Run) {
        let mut table = Table {
            heading: "What an operation costs, tracepoint tier".to_owned(),
            caption: format!("this machine, kernel {}, CPU time, without the agent and with it", run.kernel),
            columns: titles(&["", "without", "with", "more", "± without", "bound"]),
            rows: Vec::new(),
        };
        for operation in OPERATIONS {
            let Some(figure) = run.told.get("cost", operation.name) else { continue };
            let bound = (operation.name == COMPILE).then_some(COMPILE_ON_HOST);
            table.rows.push(self.cost_cells(operation, figure, bound, &place(run)));
        }
        self.push(table);
    }

    fn cost_cells(
        &mut self,
        operation: &Operation,
        figure: &Figure,
        bound: Option<Bound>,
        place: &str,
    ) -> Vec<String> {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let is_timed = figure.unit == "ns";
        vec![
            operation.title.to_owned(),
            figure.baseline().map(|baseline| quantity(baseline, &figure.unit)).unwrap_or_default(),
            quantity(figure.value, &figure.unit),
            figure.ratio().map(more).unwrap_or_default(),
            figure.spread().map(percent).unwrap_or_default(),
            bound
                .map(|bound| self.judge(operation.title, figure, bound, is_timed, place))
                .unwrap_or_default(),
        ]
    }

    fn singles(&mut self, run: &Run, heading: &str, singles: &[Single]) {
        let mut table = Table {
            heading: heading.to_owned(),
            caption: place(run),
            columns: titles(&["", "", "bound"]),
            rows: Vec::new(),
        };
        for single in singles {
            let Some(figure) = run.told.get(single.group, single.name) else { continue };
            // A guest's time is not ours.
            let is_timed =
                single.is_timed || run.method == Method::GuestTime && single.name.ends_with("lost");
            let bound = single.bound.map(|bound| {
                self.judge(&format!("{heading}: {}", single.title), figure, bound, is_timed, &place(run))
            });
            table.rows.push(vec![
                single.title.to_owned(),
                quantity(figure.value, &figure.unit),
                bound.unwrap_or_default(),
            ]);
        }
        self.push(table);
    }

    /// The bound and whether it is kept; a miss is noted, unless a time has missed.
    fn judge(&mut self, what: &str, figure: &Figure, bound: Bound, is_timed: bool, place: &str) -> String {
        let holds = bound.holds(figure.value, figure.ratio());
        if !holds && !is_timed {
            let value = figure.ratio().map_or_else(|| quantity(figure.value, &figure.unit), more);
            self.missed.push(format!("{place}: {what}: {value}, bound {}", bound.text()));
        }
        format!("{} {}", bound.text(), if holds { KEPT } else { MISSED })
    }

    fn push(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.tables.push(table);
        }
    }
}

fn titles(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The run that took times on the same kernel.
fn guest_time<'a>(runs: &'a [Run], of: &Run) -> Option<&'a Run> {
    runs.iter().find(|run| run.method == Method::GuestTime && run.kernel == of.kernel)
}

fn place(run: &Run) -> String {
    match run.method {
        Method::Host | Method::Journal => "this machine".to_owned(),
        Method::Instructions | Method::GuestTime => format!("kernel {} in QEMU", run.kernel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    fn run(method: Method, lines: &[&str]) -> Run {
        let mut told = Figures::default();
        lines.iter().for_each(|line| told.take(line));
        Run { method, kernel: "6.12.1".to_owned(), told }
    }

    const SLOW_OPEN: &str =
        r#"bench: {"group":"cost","name":"open","unit":"instructions","value":104.0,"without":[100.0]}"#;

    #[test]
    fn a_bound_in_instructions_is_missed_and_a_bound_in_time_never() {
        let report = Report::of(&[run(Method::Instructions, &[SLOW_OPEN])]);
        assert_eq!(report.missed.len(), 1);
        assert!(report.tables[0].text().contains("+4.0 %"));
        let compile =
            r#"bench: {"group":"cost","name":"compile","unit":"ns","value":104.0,"without":[100.0]}"#;
        let report = Report::of(&[run(Method::Host, &[compile])]);
        assert!(report.missed.is_empty());
        assert!(report.tables[0].text().contains("≤ 3 % ✗"));
    }

    #[test]
    fn the_same_kernels_times_stand_beside_its_instructions() {
        let time = SLOW_OPEN.replace("instructions", "ns").replace("104", "110");
        let report = Report::of(&[run(Method::Instructions, &[SLOW_OPEN]), run(Method::GuestTime, &[&time])]);
        assert!(report.tables[0].text().lines().last().unwrap().ends_with("+10.0 %"));
    }

    #[test]
    fn what_is_unaccounted_for_is_missed_wherever_it_was_measured() {
        let line = r#"bench: {"group":"repeats","name":"unaccounted","unit":"accesses","value":1.0}"#;
        for method in [Method::Host, Method::GuestTime] {
            assert_eq!(Report::of(&[run(method, &[line])]).missed.len(), 1);
        }
    }
}
