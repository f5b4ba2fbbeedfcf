use cofferdam_api::{Ending, Event, Timeline};
use cofferdam_model::{Filter, ProcessRow};

use super::timeline;
use crate::samples;
use crate::text::render;

fn drawn(events: Vec<Event>) -> String {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    let lines = timeline(&Timeline::new(events, ending), &Filter::default());
    render(&lines, false)
}

#[test]
fn the_incident_reads_from_top_to_bottom() {
    insta::assert_snapshot!(drawn(samples::events()), @r"
    unknown workload
    from 2026-11-22 05:01:13.000 UTC: 0 processes, 0 accesses, 1 connection
    +0:00.000  └─ connect ×7  (over budget: counted, but not by process)

    shop/web-6f9b7c9d8-x2x1k/app
    from 2026-11-22 05:00:11.000 UTC: 3 processes, 2 accesses, 1 connection
    +0:00.000  ├─ /usr/bin/python3(4211) [ran before the agent] uid 1000
    +0:01.250  │  ├─ secret  volume/creds:password  open ×3
    +0:01.500  │  └─ connect 10.0.0.5:5432/tcp ×40  after volume/creds:password
    +0:29.000  └─ /bin/busybox(4340) [exec session] uid 0 · ended after 40.000s
    +0:30.000     ├─ /bin/cat(4341)
    +0:59.000     └─ secret  volume/creds:password  held ×12,345

    shop/web-6f9b7c9d8-x2x1k/deps
    from 2026-11-22 05:00:20.000 UTC: 9 processes, 4 accesses, 2 connections
    +0:00.000  ├─ /usr/bin/node(4320) uid 1000
    +0:13.000  │  ├─ /tmp/.x\u{1b}[2K/stage2(4333) [written] by /bin/sh · ended after 57.250s
    +0:14.000  │  │  ├─ memfd:a(4334) [memfd]
    +0:43.000  │  │  ├─ secret  environment of shop/web-6f9b7c9d8-x2x1k/app python3(4211)  environ  would-deny
    +0:44.000  │  │  └─ connect [2001:db8::66]:443/tcp  denied  after volume/creds:password, environment
    +0:30.000  │  ├─ /bin/true(4400 … 4405) ×6 over 0.500s
    +0:41.500  │  ├─ secret  volume/creds:password  open
    +0:41.750  │  ├─ secret  volume/creds:tls.key  open read-write  denied
    +0:42.000  │  └─ connect 10.96.0.10:53/udp send
    +0:45.000  ├─ LOST 12 events of open until 2026-11-22 05:01:06.000: ring-full
    +0:51.000  └─ secret  volume/creds:password  open ×48  (over budget: counted, but not by process)

    complete: nothing lost since 2026-11-22 04:00:00 UTC
    ");
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
