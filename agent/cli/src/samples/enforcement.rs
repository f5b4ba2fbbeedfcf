//! What rules did in the incident.

use cofferdam_api::Event;
use cofferdam_model::{AttemptRow, AuditRow, Verdict};
use serde_json::{Value, json};

use super::{BOOT, accesses, actor, at, connections, merged};

fn attempt(pid: u32, container: &str, seconds: f64, changes: Value) -> AttemptRow {
    let mut base = actor(pid, container);
    let rest = json!({
        "id": format!("0a1b2c3d-{pid:x}a"), "at": at(seconds), "binary": "/usr/bin/node", "what": "execute",
        "object": "/bin/sh", "object_inode": "0:40/91", "object_origin": "image", "verdict": "denied",
        "denied_by": "us", "enforced_by": "lsm", "policy": "shop/payments", "rule": "ex", "exception": false,
        "generation": 12,
    });
    base.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    merged(base, changes)
}

/// What else rules decided in the incident.
pub fn attempts() -> Vec<AttemptRow> {
    vec![
        attempt(
            4340,
            "app",
            60.0,
            json!({ "binary": "/bin/busybox", "exec_session": true, "uid": 0, "verdict": "allowed",
                    "denied_by": null, "exception": true }),
        ),
        attempt(
            4320,
            "deps",
            61.25,
            json!({ "object": "/tmp/.x\u{1b}[2K/stage3", "object_origin": "written" }),
        ),
        attempt(
            4333,
            "deps",
            66.5,
            json!({
                "binary": "/tmp/.x\u{1b}[2K/stage2", "binary_origin": "written", "what": "signal",
                "object": "SIGKILL to cofferdamd", "object_inode": null, "object_origin": null, "policy": null,
                "rule": "self-protection",
            }),
        ),
    ]
}

/// What enforcement did.
pub fn audits() -> Vec<AuditRow> {
    let base = |seconds: f64, what: &str, changes: Value| {
        merged(
            json!({
                "at": at(seconds), "what": what, "subject": "shop/payments", "workload": null, "by": null,
                "detail": "", "boot_id": BOOT,
            }),
            changes,
        )
    };
    vec![
        base(
            5.0,
            "policy-applied",
            json!({ "by": { "uid": 0, "pid": 900 }, "detail": "generation 12: 5 rules, 2 workloads" }),
        ),
        base(
            5.5,
            "held",
            json!({
                "workload": "shop/web-6f9b7c9d8-x2x1k/app",
                "detail": "/usr/bin/python3(4211) has volume/creds:password open since before the policy",
            }),
        ),
        base(
            75.0,
            "exception-expired",
            json!({ "subject": "shop/payments/ex", "detail": "INC-1234 live debugging" }),
        ),
        base(
            80.0,
            "contained",
            json!({
                "subject": "order-1", "workload": "shop/web-6f9b7c9d8-x2x1k/deps", "by": { "uid": 0, "pid": 901 },
                "detail": "cut off for 1h: INC-1234\u{1b}[2K",
            }),
        ),
    ]
}

/// What was refused in the incident or would have been, oldest first.
pub fn denials() -> Vec<Event> {
    let accesses = accesses().into_iter().filter(|row| row.verdict != Verdict::Allowed).map(Event::from);
    let connections =
        connections().into_iter().filter(|row| row.verdict != Verdict::Allowed).map(Event::from);
    let attempts = attempts().into_iter().filter(|row| row.verdict != Verdict::Allowed).map(Event::from);
    let mut denials: Vec<Event> = accesses.chain(connections).chain(attempts).collect();
    denials.sort_by_key(Event::time);
    denials
}
