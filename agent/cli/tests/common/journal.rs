//! A small journal on disk.

use std::path::Path;

use cofferdam_journal::{Config, Journal};
use cofferdam_model::{BootId, BootTime, Clock, Record, WallTime};
use serde_json::json;

use super::common::{Answer, answer, command};

pub const BOOT: &str = "0a1b2c3d-1111-2222-3333-444455556666";

pub fn boot_time(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * 1_000_000_000)
}

/// One process of one container reads one secret and connects.
pub fn records() -> Vec<Record> {
    let process = json!({ "pid": 4211, "start": boot_time(10) });
    let exec = boot_time(11).as_nanos() << 8;
    [
        json!({
            "record": "workload", "id": 4711, "cgroup": 4711, "cgroup_path": "/kubepods/pod1/c1",
            "kind": { "kind": "container", "container_id": "c1", "runtime_namespace": "default", "runtime": "containerd" },
            "namespace": null, "pod": null, "container": null, "sandbox": false, "labels": {}, "image": null,
            "credential_variables": [], "since": boot_time(9), "until": null,
        }),
        json!({
            "record": "process", "exec": exec, "key": process, "parent": null, "parent_exec": null, "workload": 4711,
            "cgroup": 4711, "uid": 1000,
            "executable": { "path": "/usr/bin/python3", "inode": null, "origin": "image", "interpreter": null },
            "exec_session": false, "runtime": false, "adopted": false, "began": boot_time(11),
        }),
        json!({
            "record": "access", "id": boot_time(12).as_nanos() << 8, "first": boot_time(12), "last": boot_time(13),
            "total": 3, "workload": 4711, "cgroup": 4711, "process": process, "exec": exec,
            "secret": { "kind": "configured", "namespace": null, "name": "payments/db-password", "pod_uid": null,
                        "uid": null, "key": "password", "owner": null },
            "inode": null, "how": "open", "mode": "read", "target": null, "verdict": "allowed", "denied_by": null,
            "enforced_by": "observe-only", "policy": null, "rule": null, "exception": false, "generation": 0,
            "order": 1,
        }),
        json!({
            "record": "connection", "id": boot_time(14).as_nanos() << 8, "first": boot_time(14), "last": boot_time(14),
            "total": 1, "workload": 4711, "cgroup": 4711, "process": process, "exec": exec,
            "destination": "10.0.0.5", "port": 5432, "protocol": "tcp", "family": 4, "unconnected": false,
            "tainted_by": ["payments/db-password:password"], "verdict": "allowed", "denied_by": null,
            "enforced_by": "observe-only", "policy": null, "rule": null, "exception": false, "generation": 0,
        }),
        json!({
            "record": "attempt", "id": boot_time(14).as_nanos() << 8 | 1, "at": boot_time(14), "workload": 4711,
            "cgroup": 4711, "process": process, "exec": exec, "what": "execute", "object": "/tmp/stage2",
            "inode": null, "origin": "written", "verdict": "denied", "denied_by": "us", "enforced_by": "lsm",
            "policy": "payments/api", "rule": "ex", "exception": false, "generation": 3,
        }),
        json!({
            "record": "audit", "at": boot_time(9), "what": "policy-applied", "subject": "payments/api",
            "workload": 4711, "by": { "uid": 0, "pid": 900 }, "detail": "generation 3",
        }),
        json!({
            "record": "detection", "rule": "read-then-new-destination", "event": boot_time(14).as_nanos() << 8,
            "at": boot_time(14), "title": "A secret was read, and a new destination spoken to", "severity": "critical",
            "techniques": ["T1041"], "workload": 4711, "process": process, "exec": exec, "uid": null,
            "secret": { "kind": "configured", "namespace": null, "name": "payments/db-password", "pod_uid": null,
                        "uid": null, "key": "password", "owner": null },
            "evidence": [boot_time(12).as_nanos() << 8, boot_time(14).as_nanos() << 8],
            "told": [{ "event": boot_time(14).as_nanos() << 8, "field": "destination.usual", "value": "false" }],
            "withheld": 0, "response": { "contain": "credential", "revoke": true },
        }),
    ]
    .into_iter()
    .map(|record| serde_json::from_value(record).unwrap())
    .collect()
}

pub fn write(dir: &Path) {
    write_all(dir, &records());
}

pub fn write_all(dir: &Path, records: &[Record]) {
    let booted: WallTime = "2026-11-22T05:00:00Z".parse().unwrap();
    let boot: BootId = BOOT.parse().unwrap();
    let config = Config { wall_clock: || "2026-11-22T05:00:20Z".parse().unwrap(), ..Config::default() };
    let mut journal = Journal::open(dir, config).unwrap();
    let clock = Clock { booted };
    journal.begin_coverage(&clock, &boot, boot_time(5), &["open".into(), "connect".into()]).unwrap();
    journal.append_seen(&clock, &boot, records, boot_time(15)).unwrap();
}

pub fn ask(dir: &Path, arguments: &[&str]) -> Answer {
    let mut command = command(arguments);
    command.arg("--journal").arg(dir);
    // An agent's socket in the environment does not matter to a journal.
    command.env("COFFERDAM_SOCKET", "/nonexistent/agent.sock");
    answer(command)
}
