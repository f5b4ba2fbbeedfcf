//! When someone watched: runs of the agent, and the gaps between them.

use cofferdam_model::WallTime;

use super::library::Library;
use crate::codec::{Columns, from_json};

/// A time in which hooks were attached and everything that they saw was kept or counted as lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) since: WallTime,
    pub(super) until: WallTime,
    pub(super) hooks: Vec<String>,
    /// Why it ended, if the agent said so.
    pub(super) ended: Option<String>,
}

/// A time in which nobody watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) since: WallTime,
    pub(super) until: WallTime,
    pub(super) why: String,
}

/// All runs, oldest first; those that touch are one.
pub(super) fn watched(library: &Library) -> Vec<Watched> {
    let mut runs = Vec::new();
    for index in 0..library.parts.len() {
        let read = library.ask(index, |part| {
            let mut statement = part.conn.prepare(
                "SELECT boot, since_boot_ns, until_boot_ns, hooks, ended FROM coverage ORDER BY run",
            )?;
            let rows = statement.query_map([], |row| {
                let mut c = Columns::of(row);
                let boot = part.boot(c.get()?)?;
                Ok(Watched {
                    since: library.wall(boot, c.time()?),
                    until: library.wall(boot, c.time()?),
                    hooks: from_json(&c.get::<String>()?)?,
                    ended: c.get()?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        runs.extend(read.unwrap_or_default());
    }
    join(runs)
}

/// Puts runs together that touch or overlap.
pub(super) fn join(mut runs: Vec<Watched>) -> Vec<Watched> {
    runs.sort_by_key(|run| (run.since, run.until));
    let mut joined: Vec<Watched> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(before) if run.since <= before.until => {
                if run.until >= before.until {
                    before.until = run.until;
                    before.ended = run.ended;
                }
                for hook in run.hooks {
                    if !before.hooks.contains(&hook) {
                        before.hooks.push(hook);
                    }
                }
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// The parts of a range that no run covers.
pub(super) fn gaps(runs: &[Watched], since: WallTime, until: WallTime) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut covered = since;
    let mut why = "before the agent's first run that this journal knows".to_owned();
    for run in runs {
        if run.since > covered && covered < until {
            gaps.push(Gap { since: covered, until: run.since.min(until), why: why.clone() });
        }
        covered = covered.max(run.until);
        why = run.ended.clone().unwrap_or_else(|| "the agent was killed, or the node went down".to_owned());
    }
    if covered < until {
        let last = runs.last().map_or(
            "no agent has ever said that its hooks were attached",
            |_| "the latest that this journal has seen",
        );
        gaps.push(Gap { since: covered, until, why: last.to_owned() });
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(since: i64, until: i64, ended: Option<&str>) -> Watched {
        Watched {
            since: WallTime::from_nanos(since),
            until: WallTime::from_nanos(until),
            hooks: vec!["file_open".to_owned()],
            ended: ended.map(str::to_owned),
        }
    }

    fn gaps_of(runs: &[Watched], since: i64, until: i64) -> Vec<(i64, i64)> {
        let gaps = gaps(runs, WallTime::from_nanos(since), WallTime::from_nanos(until));
        gaps.iter().map(|gap| (gap.since.as_nanos(), gap.until.as_nanos())).collect()
    }

    #[test]
    fn runs_that_touch_are_one_and_gaps_are_what_lies_between() {
        let runs = join(vec![run(30, 40, None), run(10, 20, Some("stopped")), run(20, 25, Some("upgrade"))]);
        assert_eq!(runs, [run(10, 25, Some("upgrade")), run(30, 40, None)]);
        assert_eq!(gaps_of(&runs, 10, 40), [(25, 30)]);
        assert_eq!(gaps_of(&runs, 12, 24), []);
        assert_eq!(gaps_of(&runs, 5, 50), [(5, 10), (25, 30), (40, 50)]);
        assert_eq!(gaps_of(&runs, 26, 28), [(26, 28)]);
        assert_eq!(gaps_of(&[], 1, 2), [(1, 2)]);
    }

    #[test]
    fn a_gap_says_why_nobody_watched() {
        let runs = join(vec![run(10, 20, Some("stopped")), run(30, 40, None)]);
        let found = gaps(&runs, WallTime::from_nanos(10), WallTime::from_nanos(40));
        assert_eq!(found[0].why, "stopped");
    }
}
