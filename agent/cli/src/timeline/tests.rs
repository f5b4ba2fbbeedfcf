use cofferdam_api::{Ending, Event, Timeline};
use cofferdam_model::{AccessRow, Filter, ProcessRow};

use super::timeline;
use crate::samples;
use crate::text::render;

fn drawn(events: Vec<Event>) -> String {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    let lines = timeline(&Timeline::new(events, ending), &Filter::default());
    render(&lines, false)
}

fn process(pid: u32, parent: Option<u32>) -> ProcessRow {
    ProcessRow {
        id: pid.to_string(),
        parent: parent.map(|parent| parent.to_string()),
        pid,
        process_start: samples::at(f64::from(pid)),
        began: samples::at(f64::from(pid)),
        ..samples::processes().remove(4)
    }
}

fn ran(pid: u32, began: f64, binary: &str) -> Event {
    ProcessRow {
        id: format!("{pid}-{began}"),
        began: samples::at(began),
        binary: Some(binary.into()),
        ..process(pid, Some(1))
    }
    .into()
}

#[test]
fn what_a_process_did_before_and_after_each_exec_stands_in_order() {
    let read = AccessRow {
        pid: Some(2),
        process_start: Some(samples::at(2.0)),
        first: samples::at(2.5),
        ..samples::accesses().remove(1)
    };
    insta::assert_snapshot!(drawn(vec![
        process(1, None).into(),
        // Forks, reads a secret, and only then becomes something else, twice.
        ran(2, 2.0, "/usr/bin/node"),
        read.into(),
        ran(2, 3.0, "/bin/sh"),
        ran(2, 3.5, "/usr/bin/curl"),
        // Forks and execs at once: one event to its reader.
        ran(3, 3.0, "/usr/bin/node"),
        ran(3, 3.001, "/bin/date"),
    ]), @r"
    shop/web-6f9b7c9d8-x2x1k/deps
    from 2026-11-22 05:00:01.000 UTC: 3 processes, 1 access, no connections
    +0:00.000  └─ /usr/bin/node(1) uid 1000
    +0:01.000     ├─ /usr/bin/node(2)
    +0:01.500     │  ├─ secret  volume/creds:password  open
    +0:02.000     │  ├─ exec    /bin/sh
    +0:02.500     │  └─ exec    /usr/bin/curl
    +0:02.000     └─ /bin/date(3)

    complete: nothing lost since 2026-11-22 04:00:00 UTC
    ");
}

#[test]
fn however_deep_processes_nest_lines_stay_readable() {
    let chain = (0..5_000).map(|pid| process(pid, pid.checked_sub(1)).into()).collect();
    let drawn = drawn(chain);
    assert_eq!(drawn.lines().count(), 5_000 + 4);
    assert!(drawn.lines().all(|line| line.chars().count() < 140));
    assert!(drawn.contains("⋯4975 "));
}

#[test]
fn rows_that_contradict_each_other_make_no_circle() {
    let drawn =
        drawn(vec![process(1, Some(2)).into(), process(2, Some(1)).into(), process(3, Some(3)).into()]);
    assert_eq!(drawn.matches("/usr/bin/node").count(), 3);
}
