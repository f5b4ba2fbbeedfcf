use cofferdam_api::{Ending, Event, Timeline};
use cofferdam_model::{AccessRow, ConnectionRow, Filter, ProcessRow};

use super::timeline;
use crate::samples;
use crate::text::render;

fn drawn(events: Vec<Event>) -> String {
    drawn_in(None, events)
}

fn drawn_in(columns: Option<usize>, events: Vec<Event>) -> String {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    let lines = timeline(&Timeline::new(events, ending), &Filter::default(), columns);
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
fn what_the_runtime_does_before_the_container_s_program_is_left_out() {
    let runtime = |row: ProcessRow| ProcessRow { runtime: true, ..row };
    let become_app =
        ProcessRow { id: "app".into(), began: samples::at(3.5), uid: 1000, ..process(3, Some(2)) };
    let mut events: Vec<Event> = vec![
        runtime(process(1, None)).into(),
        runtime(process(2, Some(1))).into(),
        runtime(process(3, Some(2))).into(),
    ];
    let alone = drawn(events.clone());
    assert_eq!(alone.matches("[runtime]").count(), 3, "there is nothing else to draw");
    events.push(become_app.into());
    insta::assert_snapshot!(drawn(events), @r"
    shop/web-6f9b7c9d8-x2x1k/deps
    from 2026-11-22 05:00:03.500 UTC: 1 process (and 2 of the runtime), 0 accesses, no connections
    +0:00.000  └─ /usr/bin/node(3) uid 1000

    complete: nothing lost since 2026-11-22 04:00:00 UTC
    ");
}

#[test]
fn on_a_terminal_long_lines_go_on_below() {
    let access = |key: &str, at: f64| AccessRow {
        pid: Some(1),
        process_start: Some(samples::at(1.0)),
        first: samples::at(at),
        key: Some(key.into()),
        ..samples::accesses().remove(1)
    };
    let connection = ConnectionRow {
        pid: Some(2),
        process_start: Some(samples::at(2.0)),
        first: samples::at(3.0),
        workload: samples::accesses().remove(1).workload,
        tainted_by: vec!["volume/creds:password".into(), "volume/creds:tls.key".into()],
        ..samples::connections().remove(0)
    };
    let events =
        vec![process(1, None).into(), access("k", 1.5).into(), ran(2, 2.0, "/bin/date"), connection.into()];
    insta::assert_snapshot!(drawn_in(Some(60), events), @r"
    shop/web-6f9b7c9d8-x2x1k/deps
    from 2026-11-22 05:00:01.000 UTC: 2 processes, 1 access, 1 connection
    +0:00.000  └─ /usr/bin/node(1) uid 1000
    +0:00.500     ├─ secret  volume/creds:k  open
    +0:01.000     └─ /bin/date(2)
    +0:02.000        └─ connect 10.0.0.5:5432/tcp ×40  after
                                volume/creds:password,
                                volume/creds:tls.key

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
