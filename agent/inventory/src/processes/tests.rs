use cofferdam_model::{BinaryOrigin, CgroupId, Executable, WorkloadId};
use proptest::prelude::*;

use super::*;

fn time(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * 1_000_000_000)
}

fn event(seconds: u64) -> EventId {
    EventId::new(time(seconds), 0)
}

/// A process that was born at `pid` seconds and began its program at `began` seconds.
fn process(pid: u32, began: u64, parent_exec: Option<u64>, path: Option<&str>) -> Process {
    Process {
        exec: event(began),
        key: ProcessKey { pid, start: time(u64::from(pid)) },
        parent: None,
        parent_exec: parent_exec.map(event),
        workload: WorkloadId(5),
        cgroup: CgroupId(5),
        uid: 0,
        executable: Executable {
            path: path.map(str::to_owned),
            inode: None,
            origin: BinaryOrigin::Image,
            interpreter: None,
            interpreter_inode: None,
        },
        exec_session: Some(false),
        runtime: false,
        adopted: false,
        began: time(began),
    }
}

const EXEC: Beginning = Beginning::Exec { previous: None };

/// A shell (began at 10) that forked (20) a child, which executed `curl` (30).
fn shell_and_curl() -> Processes {
    let mut table = Processes::default();
    table.began(process(1, 10, None, Some("/bin/sh")), EXEC);
    table.began(process(2, 20, Some(10), None), Beginning::Fork);
    table.began(process(2, 30, None, Some("/bin/curl")), EXEC);
    table
}

fn ids(records: &[Process]) -> Vec<EventId> {
    records.iter().map(|record| record.exec).collect()
}

#[test]
fn an_exec_is_journalled_at_once_and_a_fork_when_something_refers_to_it() {
    let mut table = Processes::default();
    assert_eq!(ids(&table.began(process(1, 10, None, Some("/bin/sh")), EXEC)), [event(10)]);
    assert!(table.began(process(2, 20, Some(10), None), Beginning::Fork).is_empty());
    assert!(table.began(process(3, 30, Some(20), None), Beginning::Fork).is_empty());
    assert_eq!(ids(&table.referenced(&process(3, 30, None, None))), [event(20), event(30)]);
    assert!(table.referenced(&process(3, 30, None, None)).is_empty(), "only once");
}

#[test]
fn an_exec_brings_the_fork_that_it_came_from_along() {
    let mut table = Processes::default();
    table.began(process(1, 10, None, None), Beginning::Adopted);
    table.began(process(2, 20, Some(10), None), Beginning::Fork);
    table.began(process(3, 30, Some(20), None), Beginning::Fork);
    let records = table.began(process(3, 40, None, Some("/bin/x")), EXEC);
    assert_eq!(ids(&records), [event(10), event(20), event(40)]);
    assert_eq!(records[2].parent_exec, Some(event(20)), "an exec does not change the parent");
}

#[test]
fn a_fork_runs_what_its_parent_runs() {
    let table = shell_and_curl();
    assert_eq!(table.get(event(20)).unwrap().executable.path.as_deref(), Some("/bin/sh"));
    assert_eq!(table.current(2).unwrap().executable.path.as_deref(), Some("/bin/curl"));
    assert_eq!(table.get(event(30)).unwrap().parent_exec, Some(event(10)));
}

#[test]
fn an_end_is_journalled_if_the_beginning_was() {
    let mut table = shell_and_curl();
    table.began(process(4, 40, Some(10), None), Beginning::Fork);
    let key = |pid| ProcessKey { pid, start: time(pid.into()) };
    assert!(!table.exited(key(4), event(40), time(50)));
    assert!(table.exited(key(2), event(30), time(50)));
    assert!(!table.exited(key(9), event(90), time(50)), "never seen");
    assert!(table.current(2).is_none());
    assert!(table.get(event(30)).is_some(), "remembered for late events");
    table.prune(time(1_000));
    assert!(table.get(event(30)).is_none());
    assert!(table.get(event(10)).is_some(), "it still runs");
}

#[test]
fn taint_passes_over_fork_and_exec() {
    let mut table = shell_and_curl();
    table.touched(event(10), "db:pass", time(15));
    table.touched(event(20), "db:user", time(25));
    table.touched(event(30), "own", time(35));
    assert_eq!(table.tainted_by(event(10)), ["db:pass"]);
    assert_eq!(table.tainted_by(event(30)), ["own", "db:user", "db:pass"]);
}

#[test]
fn what_a_parent_touches_after_the_fork_does_not_taint_the_child() {
    let mut table = shell_and_curl();
    table.touched(event(10), "late", time(50));
    assert!(table.tainted_by(event(30)).is_empty());
    table.touched(event(10), "early", time(15));
    assert_eq!(table.tainted_by(event(30)), ["early"], "although it was reported later");
}

#[test]
fn taint_outlives_the_ancestors_place_in_the_table() {
    let mut table = Processes::default();
    table.began(process(1, 10, None, Some("/bin/sh")), EXEC);
    table.touched(event(10), "db", time(15));
    table.began(process(2, 20, Some(10), None), Beginning::Fork);
    table.exited(ProcessKey { pid: 1, start: time(1) }, event(10), time(21));
    table.prune(time(10_000));
    assert!(table.get(event(10)).is_none());
    assert_eq!(table.tainted_by(event(20)), ["db"]);
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut table = shell_and_curl();
    let mut again = process(2, 60, None, Some("/bin/new"));
    again.key.start = time(60);
    table.touched(event(30), "db", time(35));
    table.began(again, EXEC);
    assert_eq!(table.current(2).unwrap().exec, event(60));
    assert!(table.tainted_by(event(60)).is_empty());
    assert!(table.get(event(60)).unwrap().parent_exec.is_none());
}

#[test]
fn a_program_whose_beginning_was_lost_is_taken_from_the_event_that_refers_to_it() {
    let mut table = Processes::default();
    assert_eq!(ids(&table.referenced(&process(7, 70, None, None))), [event(70)]);
    assert!(table.referenced(&process(7, 70, None, None)).is_empty());
    table.touched(event(70), "db", time(71));
    assert_eq!(table.tainted_by(event(70)), ["db"]);
}

#[test]
fn every_bound_is_kept_and_counted() {
    let mut table = Processes::new(Limits { running: 2, ended: 1, ended_age: Duration::from_secs(10) });
    for pid in 1..=3 {
        assert_eq!(table.began(process(pid, u64::from(pid) * 10, None, None), EXEC).len(), 1);
    }
    assert_eq!((table.programs.len(), table.counters().running_dropped), (2, 1));
    for pid in 1..=2 {
        table.exited(ProcessKey { pid, start: time(pid.into()) }, event(u64::from(pid) * 10), time(40));
    }
    assert_eq!((table.programs.len(), table.counters().ended_dropped), (1, 1));
    table.touched(event(30), "x", time(41));
    assert_eq!(table.counters().touches_unknown, 1);
    for number in 0..=TOUCHES_MAX {
        table.touched(event(20), &number.to_string(), time(41));
    }
    assert_eq!(table.counters().touches_dropped, 1);
}

proptest! {
    #[test]
    fn any_order_of_events_stays_within_the_bounds(
        events in prop::collection::vec((0..5_u8, 1..6_u32, 1..40_u64, prop::option::of(1..40_u64)), 0..120)
    ) {
        let limits = Limits { running: 8, ended: 4, ended_age: Duration::from_secs(5) };
        let mut table = Processes::new(limits);
        for (what, pid, began, other) in events {
            let one = process(pid, began, other, None);
            match what {
                0 => drop(table.began(one, Beginning::Exec { previous: other.map(event) })),
                1 => drop(table.began(one, Beginning::Fork)),
                2 => drop(table.exited(one.key, one.exec, time(began))),
                3 => table.touched(one.exec, "secret", time(began)),
                _ => drop(table.referenced(&one)),
            }
            prop_assert!(table.programs.len() <= limits.running + limits.ended);
            prop_assert!(table.tainted_by(event(began)).len() <= 1);
        }
    }

    #[test]
    fn no_program_is_journalled_twice(
        events in prop::collection::vec((0..3_u8, 1..6_u32, 1..20_u64, prop::option::of(1..20_u64)), 0..80)
    ) {
        let mut table = Processes::default();
        let mut journalled = std::collections::HashSet::new();
        for (what, pid, began, parent) in events {
            let one = process(pid, began, parent, None);
            let records = match what {
                0 => table.began(one, EXEC),
                1 => table.began(one, Beginning::Fork),
                _ => table.referenced(&one),
            };
            for record in records {
                prop_assert!(journalled.insert(record.exec));
            }
        }
    }
}
