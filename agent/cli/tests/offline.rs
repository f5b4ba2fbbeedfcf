//! A copied journal, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;
#[path = "common/journal.rs"]
mod journal;

use std::fs;
use std::path::Path;

use cofferdam_model::{Image, Loss, LossReason, Record};
use journal::{ask, boot_time, records, write, write_all};
use serde_json::Value;

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
        &["detections"],
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
            Record::Detection(found) => {
                found.rule.push_str(end);
                found.title.push_str(end);
                found.secret.as_mut().unwrap().key = Some(format!("password{end}"));
                found.told[0].value.push_str(end);
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
    for command in [
        "workloads",
        "secrets",
        "accesses",
        "connections",
        "detections",
        "denials",
        "attempts",
        "audit",
        "timeline",
    ] {
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
