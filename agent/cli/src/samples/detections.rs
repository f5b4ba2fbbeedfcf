//! What detection rules found in the incident.

use cofferdam_model::DetectionRow;
use serde_json::{Value, json};

use super::{BOOT, actor, at, merged};

fn detection(pid: u32, container: &str, seconds: f64, changes: Value) -> DetectionRow {
    let mut base = actor(pid, container);
    let row = format!("0a1b2c3d-{pid:x}");
    let rest = json!({
        "id": format!("{row}/secret-sweep"), "at": at(seconds), "rule": "secret-sweep",
        "title": "Processes of one origin went through many secrets", "severity": "high",
        "techniques": ["T1552.001", "T1083"], "binary": "/usr/bin/node", "secret": "volume/creds",
        "secret_kind": "secret-volume", "key": "tls.key", "evidence": [row.clone()],
        "told": [
            { "event": row.clone(), "field": "access.how", "value": "open" },
            { "event": row, "field": "access.usual", "value": "false" },
        ],
        "withheld": 0, "contain": "workload", "revoke": false, "boot_id": BOOT,
    });
    base.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    merged(base, changes)
}

/// What rules found.
pub fn detections() -> Vec<DetectionRow> {
    vec![
        detection(
            4340,
            "app",
            60.5,
            json!({
                "id": "0a1b2c3d-10f4/read-in-exec-session", "rule": "read-in-exec-session", "severity": "medium",
                "title": "A secret was read in an exec session", "techniques": ["T1609", "T1552.001"],
                "binary": "/bin/busybox", "exec_session": true, "uid": 0, "contain": "credential", "withheld": 3,
                "key": "password",
            }),
        ),
        detection(4320, "deps", 61.75, json!({})),
        detection(
            4333,
            "deps",
            66.25,
            json!({
                "id": "0a1b2c3d-10edc/read-then-new-destination", "rule": "read-then-new-destination",
                "severity": "critical", "techniques": ["T1552.001", "T1041"],
                "title": "A secret was read, and the workload then spoke to a destination that is new for it",
                "binary": "/tmp/.x\u{1b}[2K/stage2", "binary_origin": "written", "key": "password",
                "evidence": ["0a1b2c3d-10ed", "0a1b2c3d-10edc"], "contain": "credential", "revoke": true,
            }),
        ),
    ]
}

/// The rules at work.
pub fn rules() -> Value {
    let rule = |name: &str, changes: Value| -> Value {
        merged(
            json!({
                "name": name, "file": null, "severity": "high", "techniques": ["T1552.001"], "contain": "credential",
                "revoke": true, "off": false, "found": 0, "withheld": 0, "undecided": 0, "cut": 0, "forgotten": 0,
            }),
            changes,
        )
    };
    json!([
        rule("descriptor-of-another", json!({ "off": true })),
        rule(
            "read-then-new-destination",
            json!({
                "severity": "critical", "techniques": ["T1552.001", "T1041"], "found": 1, "undecided": 12,
            })
        ),
        rule(
            "secret-sweep",
            json!({
                "file": "/etc/cofferdam/detections/sweep.yaml", "techniques": ["T1552.001", "T1083"], "contain": "workload",
                "revoke": false, "found": 1, "withheld": 4_100,
            })
        ),
    ])
}
