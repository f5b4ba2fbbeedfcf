//! What is shown of all figures, by which name, and the bounds that some of them must keep.

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// With the agent at most so many times what it is without.
    Ratio(f64),
    /// At most so much.
    AtMost(f64),
    /// Exactly so much.
    Exactly(f64),
}

impl Bound {
    /// As it is shown.
    pub(super) fn text(self) -> String {
        match self {
            Self::Ratio(most) => format!("≤ {:.0} %", (most - 1.0) * 100.0),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::Exactly(value) => format!("= {value}"),
        }
    }

    /// Whether a figure keeps it.
    pub(super) fn holds(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::Ratio(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::AtMost(most) => value <= most,
            Self::Exactly(wanted) => value == wanted,
        }
    }
}

/// An operation whose cost is shown for both tiers.
pub(super) struct Operation {
    /// Name of the figure.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) title: &'static str,
    /// Of the instructions on the lsm tier.
    pub(super) bound: Option<Bound>,
}

const fn operation(name: &'static str, title: &'static str) -> Operation {
    Operation { name, title, bound: None }
}

const fn bounded(name: &'static str, title: &'static str, ratio: f64) -> Operation {
    Operation { name, title, bound: Some(Bound::Ratio(ratio)) }
}

/// Everything whose cost is shown.
pub(super) const OPERATIONS: &[Operation] = &[
    bounded("open", "open and close a file", 1.03),
    bounded("open_disk", "… on a disk", 1.03),
    bounded("open_beside_file", "… beside a secret file", 1.03),
    bounded("open_beside_tree", "… beside a folder of secrets", 1.03),
    bounded("open_beside_tree_deep", "… and three folders down", 1.03),
    operation("open_disk@disk_secrets", "… on a disk, another disk holding secrets"),
    bounded("open_disk_beside_tree@disk_secrets", "… on a disk, beside a folder of secrets", 1.03),
    operation("open_proc", "… in /proc"),
    operation("open_secret", "open and close a secret again"),
    operation("open_secret_file", "… a single secret file"),
    operation("open_secret_in_tree", "… in a folder of secrets"),
    bounded("connect", "connect over TCP, and close", 1.05),
    operation("send", "send over UDP, and receive"),
    bounded("fork_exec", "fork, exec, exit: a small static program", 1.03),
    operation("fork_exec_nothing", "… the smallest program there is"),
    operation("syscall", "any other system call"),
    bounded("compile", "unpack and compile", 1.01),
];

/// As much with many rules as with few, to what the measurement repeats to.
const SAME: Bound = Bound::Ratio(1.01);
const SAME_CONNECT: Bound = Bound::Ratio(1.02);

/// The macro workload, whose bound on this machine is looser.
pub(super) const COMPILE: &str = "compile";
/// That bound.
pub(super) const COMPILE_ON_HOST: Bound = Bound::Ratio(1.03);

/// A single figure that is shown.
pub(super) struct Single {
    /// Its experiment.
    pub(super) group: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) title: &'static str,
    /// What it must be.
    pub(super) bound: Option<Bound>,
    /// It is a time, which depends on what else the machine does: shown, but never a reason to fail.
    pub(super) is_timed: bool,
}

const fn told(group: &'static str, name: &'static str, title: &'static str) -> Single {
    Single { group, name, title, bound: None, is_timed: false }
}

const fn must(group: &'static str, name: &'static str, title: &'static str, bound: Bound) -> Single {
    Single { group, name, title, bound: Some(bound), is_timed: false }
}

const fn timed(group: &'static str, name: &'static str, title: &'static str, bound: Bound) -> Single {
    Single { group, name, title, bound: Some(bound), is_timed: true }
}

/// Single figures by their heading.
pub(super) const SINGLES: &[(&str, &[Single])] = &[
    (
        "The same secrets again and again, the agent stopped in the middle",
        &[
            told("repeats", "made", "opens"),
            told("repeats", "rate", "… in a second"),
            must("repeats", "unaccounted", "… unaccounted for", Bound::Exactly(0.0)),
            told("repeats", "agent_cpu", "CPU time of the agent"),
        ],
    ),
    (
        "First accesses: every process and secret once",
        &[
            told("firsts", "fast.made", "as fast as they come"),
            told("firsts", "fast.rate", "… in a second"),
            told("firsts", "fast.itemised", "… in the journal"),
            told("firsts", "fast.lost", "… lost"),
            must("firsts", "fast.unaccounted", "… unaccounted for", Bound::Exactly(0.0)),
            told("firsts", "fast.lost_others", "… other events lost meanwhile"),
            told("firsts", "budget.made", "as fast, within the usual budget"),
            told("firsts", "budget.itemised", "… in the journal one by one"),
            told("firsts", "budget.over_budget", "… counted beyond the budget"),
            must("firsts", "budget.unaccounted", "… unaccounted for", Bound::Exactly(0.0)),
            told("firsts", "paced.made", "over 100 workloads within their budgets"),
            told("firsts", "paced.rate", "… in a second"),
            must("firsts", "paced.lost", "… lost", Bound::Exactly(0.0)),
            must("firsts", "paced.unaccounted", "… unaccounted for", Bound::Exactly(0.0)),
            told("firsts", "paced.agent_cpu", "CPU time of the agent"),
        ],
    ),
    (
        "From the kernel's hook",
        &[
            told("latency", "watch.p50", "to `watch`, median"),
            timed("latency", "watch.p99", "… 99 of 100", Bound::AtMost(20.0)),
            told("latency", "detected.p50", "to a detection in `watch`, median"),
            timed("latency", "detected.p99", "… 99 of 100", Bound::AtMost(20.0)),
            told("latency", "journal.p50", "to the journal, median"),
            timed("latency", "journal.p99", "… 99 of 100", Bound::AtMost(100.0)),
        ],
    ),
    (
        "500 workloads, 5,000 secrets",
        &[
            told("footprint", "rss_by_kernel", "resident memory"),
            told("footprint", "maps_by_kernel", "tables in the kernel"),
            must("footprint", "together", "together", Bound::AtMost(64.0)),
            told("footprint", "idle_cpu", "CPU time while nothing happens"),
            must("footprint", "lost", "events lost", Bound::Exactly(0.0)),
        ],
    ),
    (
        "1,000 workloads with ten rules each, next to one alone",
        &[
            told("rules", "rules", "rules"),
            must("rules", "open", "open and close a file", SAME),
            must("rules", "open_beside_file", "… beside a secret file", SAME),
            must("rules", "open_secret", "… that is a secret, again", SAME),
            must("rules", "open_secret_in_tree", "… in a folder of secrets", SAME),
            must("rules", "connect", "connect over TCP, and close", SAME_CONNECT),
            told("rules", "change.rows", "rows of a policy that changes"),
            timed("rules", "change.ms", "… until they are in the kernel", Bound::AtMost(10.0)),
            must("rules", "lost", "events lost", Bound::Exactly(0.0)),
        ],
    ),
    (
        "A miss in the kernel, after translation",
        &[
            told("translated", "file_open.miss", "instructions"),
            must("translated", "file_open.lookups", "table lookups", Bound::Exactly(1.0)),
            must("translated", "file_open.calls", "calls", Bound::Exactly(0.0)),
        ],
    ),
    (
        "A journal of many rows",
        &[
            told("journal", "rows", "rows"),
            told("journal", "bytes", "bytes"),
            told("journal", "rows_per_second", "written in a second"),
            timed("journal", "one_workload_ms", "accesses of one workload", Bound::AtMost(100.0)),
            told("journal", "one_workload_first_ms", "… asked for the first time"),
            told("journal", "latest_100_ms", "the latest hundred"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_or_not() {
        assert!(Bound::Ratio(1.03).holds(103.0, Some(1.03)));
        assert!(!Bound::Ratio(1.03).holds(103.0, Some(1.031)));
        assert!(!Bound::Ratio(1.03).holds(103.0, None));
        assert!(Bound::AtMost(64.0).holds(64.0, None));
        assert!(!Bound::Exactly(0.0).holds(1.0, None));
    }

    #[test]
    fn a_bound_reads_as_people_write_it() {
        assert_eq!(Bound::Ratio(1.03).text(), "≤ 3 %");
        assert_eq!(Bound::AtMost(64.0).text(), "≤ 64");
    }
}
