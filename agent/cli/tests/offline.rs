//! A copied journal, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::fs;
use std::path::Path;

use cofferdam_journal::{Config, Journal};
use cofferdam_model::{BootId, BootTime, Clock, Image, Loss, LossReason, Record, WallTime};
use common::{Answer, answer, command};
use serde_json::{Value, json};

const BOOT: &str = "0a1b2c3d-1111-2222-3333-444455556666";

fn boot_time(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * 1_000_000_000)
}

/// One process of one container reads one secret and connects.
fn records() -> Vec<Record> {
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
    ]
    .into_iter()
    .map(|record| serde_json::from_value(record).unwrap())
    .collect()
}

fn write(dir: &Path) {
    write_all(dir, &records());
}

fn write_all(dir: &Path, records: &[Record]) {
    let booted: WallTime = "2026-11-22T05:00:00Z".parse().unwrap();
    let boot: BootId = BOOT.parse().unwrap();
    let config = Config { wall_clock: || "2026-11-22T05:00:20Z".parse().unwrap(), ..Config::default() };
    let mut journal = Journal::open(dir, config).unwrap();
    let clock = Clock { booted };
    journal.begin_coverage(&clock, &boot, boot_time(5), &["open".into(), "connect".into()]).unwrap();
    journal.append_seen(&clock, &boot, records, boot_time(15)).unwrap();
}

fn ask(dir: &Path, arguments: &[&str]) -> Answer {
    let mut command = command(arguments);
    command.arg("--journal").arg(dir);
    // An agent's socket in the environment does not matter to a journal.
    command.env("COFFERDAM_SOCKET", "/nonexistent/agent.sock");
    answer(command)
}

#[test]
fn a_copied_journal_answers_as_the_agent_does() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("state/journal");
    fs::create_dir_all(&original).unwrap();
    write(&original);
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&original).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let answers: Vec<String> = [
        &["workloads"][..],
        &["secrets"],
        &["accesses"],
        &["connections"],
        &["denials"],
        &["attempts"],
        &["audit"],
        &["timeline", "default/c1"],
    ]
    .iter()
    .map(|arguments| {
        let answer = ask(&copy, arguments);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
        format!("$ cofferdam {}\n{}", arguments.join(" "), answer.out)
    })
    .collect();
    insta::assert_snapshot!("offline", answers.join("\n"));

    let json: Value = serde_json::from_str(&ask(&copy, &["accesses", "-o", "json"]).out).unwrap();
    assert_eq!(json["rows"][0]["binary"], "/usr/bin/python3");
    assert_eq!(json["rows"][0]["count"], 3);

    let whole_state = ask(&folder.path().join("state"), &["accesses"]);
    assert_eq!(whole_state.code, 0, "a copy of the whole state directory will do: {}", whole_state.err);
}

#[test]
fn a_question_about_the_time_before_the_agent_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let before = ask(folder.path(), &["accesses", "--since", "2026-11-22T04:00:00Z", "--strict"]);
    assert_eq!(before.code, 3, "{}", before.out);
    assert!(before.out.lines().last().unwrap().starts_with("INCOMPLETE: not watched from"), "{}", before.out);
    let after = ask(
        folder.path(),
        &["accesses", "--since", "2026-11-22 05:00:05", "--until", "2026-11-22 05:00:15", "--strict"],
    );
    assert_eq!(after.code, 0, "{}", after.out);
}

#[test]
fn where_there_is_no_journal_it_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let none = ask(folder.path(), &["accesses"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""));
    assert!(none.err.contains("there is no journal in"), "{}", none.err);
}

/// What a terminal would obey: colours, a cleared screen, a title, a new line, text that runs the other way, and
/// characters that nobody sees.
const OBEYED: &str =
    "\u{1b}[31m\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}2J\r\nINJECTED\t\u{8}\u{202e}\u{2066}\u{200b}\u{feff}\u{7f}";

/// The records with this at the end of every text that someone else may choose.
fn records_ending_in(end: &str) -> Vec<Record> {
    let mut records = records();
    let mut losses = Vec::new();
    for record in &mut records {
        match record {
            Record::Workload(workload) => {
                workload.cgroup_path.push_str(end);
                workload.namespace = Some(format!("shop{end}"));
                workload.pod = Some(format!("web{end}"));
                workload.container = Some(format!("app{end}"));
                workload.labels = [(format!("app{end}"), format!("web{end}"))].into();
                workload.image =
                    Some(Image { name: format!("web:1{end}"), digest: Some(format!("sha256:0{end}")) });
                workload.credential_variables = vec![format!("DB_PASSWORD{end}")];
            }
            Record::Process(process) => {
                process.executable.path = Some(format!("/usr/bin/python3{end}"));
                process.executable.interpreter = Some(format!("/usr/bin/env{end}"));
            }
            Record::Access(access) => {
                access.secret.name.push_str(end);
                access.secret.key = Some(format!("password{end}"));
                access.policy = Some(format!("payments{end}"));
                access.rule = Some(format!("db{end}"));
                access.cgroup_path = Some(format!("/moved{end}"));
                losses.push(Record::Loss(Loss {
                    since: boot_time(12),
                    until: boot_time(13),
                    hook: format!("open{end}"),
                    workload: Some(access.workload),
                    reason: LossReason::RingFull,
                    count: 3,
                }));
            }
            Record::Connection(connection) => {
                connection.tainted_by = vec![format!("payments/db-password:password{end}")];
                connection.policy = Some(format!("payments{end}"));
            }
            Record::Attempt(attempt) => {
                attempt.object.push_str(end);
                attempt.policy = Some(format!("payments{end}"));
                attempt.rule = Some(format!("ex{end}"));
            }
            Record::Audit(audit) => {
                audit.subject.push_str(end);
                audit.detail.push_str(end);
            }
            _ => {}
        }
    }
    records.extend(losses);
    records
}

#[test]
fn what_a_terminal_would_obey_is_written_out_and_json_stays_exact() {
    let (honest, hostile) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_all(honest.path(), &records_ending_in("-end"));
    write_all(hostile.path(), &records_ending_in(OBEYED));
    let mut shown = String::new();
    for command in
        ["workloads", "secrets", "accesses", "connections", "denials", "attempts", "audit", "timeline"]
    {
        let question = if command == "timeline" { vec![command, "*"] } else { vec![command] };
        for format in ["table", "wide"] {
            let ask = |dir: &Path| ask(dir, &[question.as_slice(), &["-o", format]].concat());
            let (honest, hostile) = (ask(honest.path()), ask(hostile.path()));
            assert_eq!((hostile.code, hostile.err.as_str()), (0, ""), "{command}");
            let obeyed = |c: char| c != '\n' && (c.is_control() || OBEYED.contains(c) && !c.is_ascii());
            assert!(!hostile.out.contains(obeyed), "{command} -o {format}: {:?}", hostile.out);
            assert!(hostile.out.contains("\\u{1b}[31m"), "{command} -o {format}: {}", hostile.out);
            assert!(!hostile.out.lines().any(|line| line.starts_with("INJECTED")), "{}", hostile.out);
            assert_eq!(hostile.out.lines().count(), honest.out.lines().count(), "{command} -o {format}");
            shown += &hostile.out;
        }
        for format in ["json", "jsonl"] {
            let ask = |dir: &Path| ask(dir, &[question.as_slice(), &["-o", format]].concat()).out;
            let (honest, hostile) = (ask(honest.path()), ask(hostile.path()));
            assert_eq!(hostile.lines().count(), honest.lines().count(), "{command} -o {format}");
            let documents = |text: &str| -> Vec<Value> {
                serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().unwrap()
            };
            let with_end = serde_json::to_string(&documents(&honest)).unwrap();
            let escaped = serde_json::to_string(OBEYED).unwrap();
            let wanted: Value =
                serde_json::from_str(&with_end.replace("-end", escaped.trim_matches('"'))).unwrap();
            assert_eq!(Value::from(documents(&hostile)), wanted, "{command} -o {format}");
        }
    }
    for text in
        ["/usr/bin/python3\\u{1b}", "payments/db-password\\u{1b}", "password\\u{1b}", "default/app\\u{1b}"]
    {
        assert!(shown.contains(text), "{text} is not shown in\n{shown}");
    }
}
