//! Policies and orders of the same shop: one is enforced, one only observed, one waits to be confirmed.

use cofferdam_api::{Explanation, OrderRow, PolicyRow, PolicyStatus};
use serde_json::{Value, json};

use super::{at, merged};

const APP: &str = "shop/web-6f9b7c9d8-x2x1k/app";
const DEPS: &str = "shop/web-6f9b7c9d8-x2x1k/deps";

/// Policies of the node.
pub fn policies() -> Vec<PolicyRow> {
    let base = json!({
        "name": "web", "namespace": "shop", "mode": "enforce", "origin": "folder",
        "source": "/etc/cofferdam/policies/web.yaml", "applied": at(0.0), "by": null, "rules": 5,
        "workloads": [APP, DEPS], "confirm_until": null,
    });
    let workers: Vec<_> = (1..=7).map(|n| format!("shop/worker-{n}/app")).collect();
    [
        json!({}),
        json!({
            "name": "workers", "mode": "observe", "origin": "applied", "source": "workers.yaml",
            "applied": at(60.0), "by": { "uid": 0, "pid": 977 }, "rules": 1_200, "workloads": workers,
        }),
        json!({
            "name": "metadata-block", "namespace": null, "origin": "applied", "source": "stdin", "applied": at(90.0),
            "by": { "uid": 0, "pid": 981 }, "rules": 1, "workloads": [], "confirm_until": at(390.0),
        }),
    ]
    .map(|changes| merged(base.clone(), changes))
    .into()
}

fn rule(changes: Value) -> Value {
    let base = json!({
        "policy": "shop/web", "rule": "db", "kind": "secret", "mode": "enforce", "workload": APP,
        "effective": ["lsm", "cgroup"], "why": [], "late_bind": false,
    });
    merged(base, changes)
}

/// Everything that can be said of a rule, a file, a workload.
pub fn policy_status() -> PolicyStatus {
    let workers = (1..=7).map(|n| {
        rule(json!({
            "policy": "shop/workers", "rule": "out", "kind": "egress", "mode": "observe", "effective": ["cgroup"],
            "workload": format!("shop/worker-{n}/app"),
        }))
    });
    let rules: Vec<_> = [
        rule(json!({})),
        rule(json!({ "workload": DEPS })),
        rule(json!({
            "rule": "env", "kind": "environment", "effective": ["lsm"], "late_bind": true,
            "why": ["the labels of the pod came 1.2 s after its first process: what it read until then was seen, \
                     not denied"],
        })),
        rule(json!({
            "rule": "ex", "kind": "exec", "workload": DEPS, "effective": ["path-only"],
            "why": ["the root file system is no overlayfs, and /usr/bin/node has no fs-verity digest"],
        })),
        rule(json!({
            "rule": "mem", "kind": "memory", "effective": ["observe-only"],
            "why": ["this node has no lsm tier, and no other refuses ptrace", "boot with lsm=...,bpf"],
        })),
        rule(json!({
            "policy": "metadata-block", "rule": "out", "kind": "egress", "workload": null, "effective": [],
            "why": ["the selector matches no workload that runs here"],
        })),
    ]
    .into_iter()
    .chain(workers)
    .collect();
    serde_json::from_value(json!({
        "rules": rules,
        "exceptions": [
            { "policy": "shop/web", "rule": "ex", "allow": "binary /bin/sh", "reason": "INC-1234 live debugging",
              "owner": "shop-oncall", "accepted": at(0.0), "expires": at(86_400.0), "expired": false },
            { "policy": "shop/web", "rule": "db", "allow": "binary /usr/bin/psql", "reason": "migration",
              "owner": "shop-db", "accepted": at(-90_000.0), "expires": at(-3_600.0), "expired": true },
        ],
        "pending": ["docker:1f2e3d4c5b6a"],
        "refused": [{
            "file": "/etc/cofferdam/policies/web.yaml", "since": at(120.0),
            "message": "web.yaml:7:5: spec.secrets[0].readers: is missing: name the binaries, or write any\n\
                        web.yaml:19:7: spec.exceptions[0].expires: is missing",
        }],
        "fail_open": [
            { "name": "recursion_misses", "count": 0, "means": "a hook was entered while it ran, and did not decide" },
            { "name": "policy-lookup", "count": 3, "means": "a workload has a policy, and the kernel did not find it" },
        ],
    }))
    .unwrap()
}

/// The same where nothing is amiss.
pub fn policy_status_as_written() -> PolicyStatus {
    let mut status = policy_status();
    status.rules.retain(|rule| !rule.late_bind && !matches!(rule.rule.as_str(), "ex" | "mem"));
    status.pending.clear();
    status.refused.clear();
    status.fail_open.iter_mut().for_each(|counter| counter.count = 0);
    status
}

/// Why one access of the incident was denied.
pub fn explanation() -> Explanation {
    serde_json::from_value(json!({
        "event": "0a1b2c3d-10e0", "what": format!("/usr/bin/node(4320) of {DEPS} opened volume/creds:tls.key"),
        "verdict": "denied", "policy": "shop/web", "rule": "db",
        "text": "creds is read by /usr/bin/python3 (enforce)",
        "why": ["it is not among what the rule permits"],
    }))
    .unwrap()
}

/// Orders in force.
pub fn orders() -> Vec<OrderRow> {
    let base = json!({
        "id": "o-17", "scope": { "kind": "workload", "workload": DEPS }, "cut_off": true, "workloads": [DEPS],
        "until": null, "owner": "shop-oncall", "reason": "INC-1234", "since": at(80.0),
        "by": { "uid": 0, "pid": 990 }, "sockets_destroyed": 2, "notes": [],
    });
    [
        json!({}),
        json!({
            "id": "o-18", "scope": { "kind": "credential", "secret": "volume/creds:password", "workload": null },
            "cut_off": false, "workloads": [], "until": at(3_680.0), "sockets_destroyed": 0,
            "notes": ["2 processes hold it open or mapped: stop them, or contain their workload"],
        }),
    ]
    .map(|changes| merged(base.clone(), changes))
    .into()
}
