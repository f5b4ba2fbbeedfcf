//! An incident, as the tests see it: in a shop's web pod an honest app runs; in its `deps` container a poisoned
//! dependency sweeps the secrets, reads its neighbour's environment, drops a binary and calls home.

#[path = "samples/containment.rs"]
pub mod containment;

use cofferdam_api::{Doctor, Event, Status};
use cofferdam_model::{
    AccessRow, Completeness, ConnectionRow, LossReason, LossRow, ProcessRow, SecretRow, WallTime, WorkloadRow,
};
use serde_json::{Value, json};

// By its path, because the tests of the binary include this file by its own.
#[path = "samples/detections.rs"]
mod detections;
#[path = "samples/enforcement.rs"]
mod enforcement;

pub use detections::detections;
pub use enforcement::{attempts, audits, denials};

const BOOT: &str = "0a1b2c3d-1111-2222-3333-444455556666";

/// `seconds` after five o'clock.
pub fn at(seconds: f64) -> WallTime {
    let five: WallTime = "2026-11-22T05:00:00Z".parse().unwrap();
    WallTime::from_nanos(five.as_nanos() + (seconds * 1e9) as i64)
}

fn merged<T: serde::de::DeserializeOwned>(mut base: Value, changes: Value) -> T {
    for (name, value) in changes.as_object().unwrap() {
        base[name] = value.clone();
    }
    serde_json::from_value(base).unwrap()
}

fn actor(pid: u32, container: &str) -> Value {
    json!({
        "workload": format!("shop/web-6f9b7c9d8-x2x1k/{container}"), "namespace": "shop", "pod": "web-6f9b7c9d8-x2x1k",
        "container": container, "container_id": "1f2e3d4c5b6a".repeat(5) + "7788", "cgroup": "/kubepods/burstable/pod1",
        "binary_inode": "0:40/77", "binary_origin": "image", "interpreter": null, "pid": pid,
        "process_start": at(f64::from(pid % 100)), "boot_id": BOOT, "ppid": 1, "uid": 1000, "exec_session": false,
    })
}

fn access(pid: u32, container: &str, seconds: f64, changes: Value) -> AccessRow {
    let mut base = actor(pid, container);
    let rest = json!({
        "id": format!("0a1b2c3d-{pid:x}"), "first": at(seconds), "last": at(seconds + 1.5), "count": 1,
        "binary": "/usr/bin/python3", "secret": "volume/creds", "secret_kind": "secret-volume", "secret_uid": null,
        "key": "password", "how": "open", "mode": "read", "target": null, "verdict": "allowed", "denied_by": null,
        "enforced_by": "observe-only", "policy": null, "rule": null, "exception": false, "generation": 0, "order": 1, "image": "registry/web:1.4",
        "labels": { "app": "web" },
    });
    base.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    merged(base, changes)
}

fn connection(pid: u32, container: &str, seconds: f64, changes: Value) -> ConnectionRow {
    let mut base = actor(pid, container);
    let rest = json!({
        "id": format!("0a1b2c3d-{pid:x}c"), "first": at(seconds), "last": at(seconds), "count": 1,
        "binary": "/usr/bin/python3", "destination": "10.0.0.5", "port": 5432, "protocol": "tcp", "family": 4,
        "unconnected": false, "tainted_by": [], "verdict": "allowed", "denied_by": null,
        "enforced_by": "observe-only", "policy": null, "rule": null, "exception": false, "generation": 0,
    });
    base.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    merged(base, changes)
}

/// Accesses of the incident.
pub fn accesses() -> Vec<AccessRow> {
    vec![
        access(4211, "app", 12.25, json!({ "count": 3 })),
        access(4320, "deps", 61.5, json!({ "binary": "/usr/bin/node" })),
        access(
            4320,
            "deps",
            61.75,
            json!({
                "binary": "/usr/bin/node", "key": "tls.key", "order": 2, "mode": "read-write", "verdict": "denied",
                "denied_by": "us", "enforced_by": "lsm", "policy": "shop/payments", "rule": "db",
                "generation": 12,
            }),
        ),
        access(
            4333,
            "deps",
            63.0,
            json!({
                "binary": "/tmp/.x\u{1b}[2K/stage2", "binary_origin": "written", "secret": "environment",
                "secret_kind": "environment", "key": null, "how": "environ", "verdict": "would-deny", "policy": "shop/payments", "rule": "env",
                "target": {
                    "relation": "other", "pid": 4211, "process_start": at(11.0),
                    "workload": "shop/web-6f9b7c9d8-x2x1k/app", "binary": "/usr/bin/python3",
                },
            }),
        ),
        access(
            4340,
            "app",
            70.0,
            json!({ "binary": "/bin/busybox", "exec_session": true, "uid": 0, "how": "held", "count": 12_345 }),
        ),
        access(
            4341,
            "deps",
            71.0,
            json!({
                "binary": null, "binary_origin": "unknown", "pid": null, "process_start": null, "ppid": null,
                "uid": null, "exec_session": null, "order": null, "count": 48,
            }),
        ),
    ]
}

/// Connections of the incident.
pub fn connections() -> Vec<ConnectionRow> {
    vec![
        connection(4211, "app", 12.5, json!({ "count": 40, "tainted_by": ["volume/creds:password"] })),
        connection(
            4333,
            "deps",
            64.0,
            json!({
                "binary": "/tmp/.x\u{1b}[2K/stage2", "binary_origin": "written", "destination": "2001:db8::66",
                "port": 443, "family": 6, "tainted_by": ["volume/creds:password", "environment"],
                "verdict": "denied", "denied_by": "us", "enforced_by": "cgroup", "policy": "shop/payments",
                "rule": "db",
            }),
        ),
        connection(
            4320,
            "deps",
            62.0,
            json!({ "binary": "/usr/bin/node", "destination": "10.96.0.10", "port": 53, "protocol": "udp",
                    "unconnected": true }),
        ),
        connection(
            1,
            "deps",
            73.0,
            json!({ "workload": null, "binary": null, "pid": null, "destination": null, "port": 0, "count": 7 }),
        ),
    ]
}

fn process(pid: u32, container: &str, born: f64, began: f64, changes: Value) -> ProcessRow {
    let base = json!({
        "id": format!("p{pid}-{began}"), "parent": null, "began": at(began), "ended": null,
        "workload": format!("shop/web-6f9b7c9d8-x2x1k/{container}"), "pid": pid, "process_start": at(born),
        "ppid": 1, "uid": 1000, "binary": "/bin/sh", "binary_inode": null, "binary_origin": "image",
        "interpreter": null, "interpreter_inode": null, "exec_session": false, "runtime": false, "adopted": false,
    });
    merged(base, changes)
}

/// Programs of the incident.
pub fn processes() -> Vec<ProcessRow> {
    let mut rows = vec![
        process(
            4211,
            "app",
            11.0,
            11.0,
            json!({ "id": "app", "binary": "/usr/bin/python3", "adopted": true }),
        ),
        process(
            4340,
            "app",
            40.0,
            40.0,
            json!({ "id": "runc", "binary": "/proc/self/exe", "binary_origin": "memfd", "runtime": true, "uid": 0,
                    "exec_session": true }),
        ),
        process(
            4340,
            "app",
            40.0,
            40.05,
            json!({ "id": "bb", "binary": "/bin/busybox", "uid": 0, "exec_session": true, "ended": at(80.0) }),
        ),
        process(
            4341,
            "app",
            41.0,
            41.0,
            json!({ "id": "cat", "parent": "bb", "binary": "/bin/cat", "uid": 0, "exec_session": true }),
        ),
        process(4320, "deps", 20.0, 20.0, json!({ "id": "n0", "binary": "/usr/bin/node" })),
        process(
            4333,
            "deps",
            33.0,
            33.0,
            json!({ "id": "f1", "parent": "n0", "ppid": 4320, "binary": "/usr/bin/node" }),
        ),
        process(
            4333,
            "deps",
            33.0,
            33.2,
            json!({ "id": "x1", "parent": "n0", "ppid": 4320, "binary": "/tmp/.x\u{1b}[2K/stage2",
                    "binary_origin": "written", "interpreter": "/bin/sh", "ended": at(90.25) }),
        ),
        process(
            4334,
            "deps",
            34.0,
            34.0,
            json!({ "id": "m1", "parent": "x1", "ppid": 4333, "binary": "memfd:a", "binary_origin": "memfd" }),
        ),
    ];
    rows.extend((0..6).map(|n| {
        let born = 50.0 + f64::from(n) / 10.0;
        process(
            4400 + n,
            "deps",
            born,
            born,
            json!({ "parent": "n0", "binary": "/bin/true", "ended": at(born) }),
        )
    }));
    rows
}

/// Losses of the incident.
pub fn losses() -> Vec<LossRow> {
    vec![LossRow {
        since: at(65.0),
        until: at(66.0),
        hook: "open".into(),
        workload: Some("shop/web-6f9b7c9d8-x2x1k/deps".into()),
        reason: LossReason::RingFull,
        count: 12,
    }]
}

/// Everything of the incident.
pub fn events() -> Vec<Event> {
    let processes = processes().into_iter().map(Event::from);
    let accesses = accesses().into_iter().map(Event::from);
    let connections = connections().into_iter().map(Event::from);
    let attempts = attempts().into_iter().map(Event::from);
    let audits = audits().into_iter().filter(|row| row.workload.is_some()).map(Event::from);
    let detections = detections().into_iter().map(Event::from);
    let losses = losses().into_iter().map(Event::from);
    processes
        .chain(accesses)
        .chain(connections)
        .chain(attempts)
        .chain(audits)
        .chain(detections)
        .chain(losses)
        .collect()
}

/// Workloads of the node.
pub fn workloads() -> Vec<WorkloadRow> {
    let base = |workload: &str, kind: &str, changes: Value| {
        merged(
            json!({
                "workload": workload, "kind": kind, "namespace": null, "pod": null, "container": null,
                "container_id": null, "pod_uid": null, "runtime": null, "cgroup": "/", "cgroup_id": 1, "image": null,
                "image_digest": null, "labels": {}, "credential_variables": [], "since": at(0.0), "until": null,
                "boot_id": BOOT,
            }),
            changes,
        )
    };
    vec![
        base("host", "host", json!({})),
        base(
            "shop/web-6f9b7c9d8-x2x1k/app",
            "pod-container",
            json!({
                "namespace": "shop", "pod": "web-6f9b7c9d8-x2x1k", "container": "app", "container_id": "1f2e3d4c5b6a",
                "pod_uid": "0a1b2c3d-1111-2222-3333-444455556666", "runtime": "containerd",
                "cgroup": "/kubepods/burstable/pod1/1f2e3d4c5b6a", "cgroup_id": 4711, "image": "registry/web:1.4",
                "labels": { "app": "web", "tier": "front" }, "credential_variables": ["DB_PASSWORD", "API_TOKEN"],
            }),
        ),
        base("docker:old", "container", json!({ "runtime": "docker", "until": at(30.0) })),
    ]
}

/// Secrets of the node.
pub fn secrets() -> Vec<SecretRow> {
    let base = |secret: &str, kind: &str, changes: Value| {
        merged(
            json!({
                "secret": secret, "kind": kind, "namespace": null, "pod_uid": null, "secret_uid": null, "keys": [],
                "path": null, "since": at(0.0), "until": null, "visible_to": [], "accessed_by": [], "accesses": 0,
                "last_access": null,
            }),
            changes,
        )
    };
    vec![
        base(
            "shop/volume/creds",
            "secret-volume",
            json!({
                "namespace": "shop", "keys": ["password", "tls.key", "user"],
                "path": "/var/lib/kubelet/pods/1/volumes/kubernetes.io~secret/creds",
                "visible_to": ["shop/web-6f9b7c9d8-x2x1k/app"],
                "accessed_by": ["shop/web-6f9b7c9d8-x2x1k/app", "shop/web-6f9b7c9d8-x2x1k/deps"],
                "accesses": 12_397, "last_access": at(71.0),
            }),
        ),
        base(
            "environment",
            "environment",
            json!({ "keys": ["DB_PASSWORD"], "visible_to": ["shop/web-6f9b7c9d8-x2x1k/app"] }),
        ),
        base(
            "payments/db-password",
            "configured",
            json!({ "until": at(9.0), "path": "/srv/payments/secrets" }),
        ),
    ]
}

/// An answer from which nothing is missing.
pub fn complete() -> Completeness {
    Completeness {
        complete: true,
        lost: 0,
        over_budget: 0,
        unknown_workloads: 0,
        seen_since: Some(at(-3600.0)),
        sources: vec!["journal 2026-11-22T04:00:00Z..".into()],
        reasons: vec![],
    }
}

/// An answer from which something is.
pub fn incomplete() -> Completeness {
    Completeness {
        complete: false,
        lost: 12,
        over_budget: 48,
        unknown_workloads: 1,
        reasons: vec![
            "12 events of open were lost between 05:01:05 and 05:01:06 (ring-full)".into(),
            "the agent started at 04:00:00, after the beginning of the range".into(),
        ],
        ..complete()
    }
}

/// How the agent is.
pub fn status() -> Status {
    serde_json::from_value(json!({
        "agent_version": "0.1.0", "abi_version": 1, "node": "worker-1", "cluster": "prod", "pid": 812,
        "started": at(-3601.0), "ready": at(-3600.0), "tier": "lsm", "boot_id": BOOT,
        "programs": [
            { "name": "file_open", "attach_point": "lsm/file_open", "attached": true },
            { "name": "connect6", "attach_point": "cgroup/connect6", "attached": false },
        ],
        "rings": [{ "name": "priority", "bytes": 4_194_304 }, { "name": "bulk", "bytes": 16_777_216 }],
        "events": [{ "hook": "open", "events": 1_234_567 }, { "hook": "connect", "events": 42 }],
        "counters": [
            { "hook": "open", "reason": "ring-full", "count": 12 },
            { "hook": "exec", "reason": "path-unreadable", "count": 0 },
        ],
        "losses": [{ "workload": "shop/web-6f9b7c9d8-x2x1k/deps", "count": 10 }, { "workload": null, "count": 2 }],
        "over_budget": [{ "workload": "shop/web-6f9b7c9d8-x2x1k/deps", "count": 48 }],
        "tables": [
            { "name": "WORKLOADS", "used": 512, "capacity": 16_384 },
            { "name": "SEEN", "used": 60_000, "capacity": 65_536 },
        ],
        "journal": {
            "path": "/var/lib/cofferdam/journal", "bytes": 12_897_484, "max_bytes": 1_073_741_824, "rows": 120_312,
            "segments": 3, "oldest": at(-86_400.0), "errors": [],
        },
        "sources": [
            { "name": "cri", "state": "connected to /run/containerd/containerd.sock", "ok": true },
            { "name": "docker", "state": "no /run/docker.sock", "ok": false },
        ],
        "watchers": 1,
        "memory": { "rss_bytes": 32_715_571, "map_bytes": 12_582_912 },
        "rules": detections::rules(),
    }))
    .unwrap()
}

/// What the node lets the agent see.
pub fn doctor() -> Doctor {
    serde_json::from_value(json!({
        "kernel": "6.12.48+deb13-cloud-amd64", "tier": "tracepoint",
        "reasons": ["lsm programs are refused (EPERM): the kernel is locked down"],
        "hooks": [
            { "hook": "exec", "tier": "tracepoint", "program": "exec", "attach_point": "tp_btf/sched_process_exec",
              "state": "attached", "sees": "programs that begin", "without_it": "who ran what", "reason": null },
            { "hook": "connect", "tier": "tracepoint", "program": "connect6", "attach_point": "cgroup/connect6",
              "state": "failed", "sees": "IPv6 connects", "without_it": "connects over IPv6", "reason": "EPERM" },
            { "hook": "mmap", "tier": "lsm", "program": "mmap_file", "attach_point": "lsm/mmap_file",
              "state": "not-needed", "sees": "mappings of secrets", "without_it": "mappings of secrets",
              "reason": "opens are seen, and a mapping needs one" },
        ],
        "checks": [
            { "name": "root", "ok": "ok", "found": "yes", "costs": null, "remedy": null },
            { "name": "bpffs", "ok": "warn", "found": "not mounted", "costs": "rules do not outlive the agent",
              "remedy": "mount -t bpf bpf /sys/fs/bpf" },
        ],
        "blind_spots": [
            { "what": "opens through io_uring",
              "instead": "nothing: the tracepoint tier sees system calls, and io_uring makes none" },
        ],
    }))
    .unwrap()
}
