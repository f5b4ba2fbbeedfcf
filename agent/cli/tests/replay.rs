//! `detect replay`, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;
#[path = "common/journal.rs"]
mod journal;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use cofferdam_model::Record;
use common::{Answer, answer, command};
use journal::{ask, write, write_all};
use serde_json::Value;

/// Without an agent.
fn alone(arguments: &[&str]) -> Answer {
    let mut command = command(arguments);
    command.env("COFFERDAM_SOCKET", "/nonexistent/agent.sock");
    answer(command)
}

/// A recording of the rules' own tests.
fn recording(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../detect/tests/recorded").join(format!("{name}.jsonl"))
}

const ANY_READ: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: DetectionRule
metadata: { name: any-read }
spec:
  title: Python read a secret
  severity: info
  technique: [ T1552 ]
  on: access
  when: process.path == '/usr/bin/python3' && workload.container
";

#[test]
fn a_recording_is_replayed_and_shown_as_detections_are() {
    let file = recording("read-then-new-destination.positive");
    let file = file.to_str().unwrap();
    let shown = alone(&["detect", "replay", "--records", file]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    insta::assert_snapshot!("recording", shown.out);
    let rule = ["detect", "replay", "--records", file, "--rule", "unexpected-*", "-o", "json"];
    let json: Value = serde_json::from_str(&alone(&rule).out).unwrap();
    assert_eq!(json["rows"], Value::Array(Vec::new()), "curl has not read");
    let lines = alone(&["detect", "replay", "--records", file, "--limit", "1", "-o", "jsonl"]).out;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["rule"]), (2, &Value::from("read-then-new-destination")));
    assert_eq!(lines[1]["completeness"]["complete"], true);
}

#[test]
fn a_recording_may_come_by_the_standard_input_and_say_of_which_boot_it_is() {
    let heading = format!(
        "{{\"record\":\"boot\",\"boot_id\":\"{}\",\"booted\":\"2026-11-22T05:00:00Z\"}}\n",
        journal::BOOT
    );
    let text = heading + &fs::read_to_string(recording("descriptor-of-another.positive")).unwrap();
    let mut command = command(&["detect", "replay", "--records", "-", "-o", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["rows"][0]["rule"], "descriptor-of-another");
    assert!(json["rows"][0]["at"].as_str().unwrap().starts_with("2026-11-22T05:00:01"), "{json}");
    assert!(json["rows"][0]["id"].as_str().unwrap().starts_with("0a1b2c3d-"), "{json}");
}

#[test]
fn a_line_that_is_no_record_is_told_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    fs::write(&file, "\n{\"record\":\"exit\"}\n").unwrap();
    let refused = alone(&["detect", "replay", "--records", file.to_str().unwrap()]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("r.jsonl:2: is no record: missing field `process`"), "{}", refused.err);
    let none = alone(&["detect", "replay", "--records", "/nonexistent.jsonl"]);
    assert_eq!(none.code, 2);
}

#[test]
fn a_journal_is_replayed_with_rules_of_one_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("any.yaml");
    fs::write(&rules, ANY_READ).unwrap();
    let journal = folder.path().join("journal");
    write(&journal);
    let rules = rules.to_str().unwrap();
    let asked = ["detect", "replay", "--rules", rules, "--rule", "any-read"];
    let shown = ask(&journal, &asked);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    insta::assert_snapshot!("journal", shown.out);
    let later = ask(&journal, &[&asked[..], &["--since", "2026-11-22T05:00:13Z"]].concat());
    assert!(later.out.starts_with("no detections with --rule any-read, since"), "{}", later.out);
}

#[test]
fn a_journal_and_a_recording_of_the_same_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["secret-sweep.positive", "reader-not-of-the-image.positive", "unexpected-reader.negative"] {
        let text = fs::read_to_string(recording(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with(r#"{"record":"boot","#));
        let records: Vec<Record> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let journal = folder.path().join(name);
        write_all(&journal, &records);
        let rows = |answer: Answer| -> Vec<(String, String)> {
            assert_eq!((answer.code, answer.err.as_str()), (0, ""));
            let json: Value = serde_json::from_str(&answer.out).unwrap();
            let row = |row: &Value| (row["rule"].to_string(), row["binary"].to_string());
            json["rows"].as_array().unwrap().iter().map(row).collect()
        };
        let file = recording(name);
        let recorded = rows(alone(&["detect", "replay", "--records", file.to_str().unwrap(), "-o", "json"]));
        assert_eq!(rows(ask(&journal, &["detect", "replay", "-o", "json"])), recorded, "{name}");
        assert_eq!(recorded.is_empty(), name.ends_with("negative"), "{name}");
    }
}

#[test]
fn a_journal_is_recorded_and_its_recording_replayed_as_it_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, file) = (folder.path().join("any.yaml"), folder.path().join("recorded.jsonl"));
    fs::write(&rules, ANY_READ).unwrap();
    let journal = folder.path().join("journal");
    write(&journal);
    let recorded = ask(&journal, &["detect", "record"]);
    assert_eq!((recorded.code, recorded.err.as_str()), (0, ""));
    assert_eq!(
        recorded.out.lines().next(),
        Some(
            r#"{"record":"boot","boot_id":"0a1b2c3d-1111-2222-3333-444455556666","booted":"2026-11-22T05:00:00.000000000Z"}"#
        )
    );
    fs::write(&file, &recorded.out).unwrap();
    let (rules, file) = (rules.to_str().unwrap(), file.to_str().unwrap());
    let rows = |answer: Answer| -> Value {
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        serde_json::from_str::<Value>(&answer.out).unwrap()["rows"].take()
    };
    let asked = ["detect", "replay", "--rules", rules, "-o", "json"];
    let replayed = rows(alone(&[&asked[..], &["--records", file]].concat()));
    assert_eq!(replayed[0]["rule"], "any-read");
    assert_eq!(replayed, rows(ask(&journal, &asked)));
}

#[test]
fn every_command_has_help_with_examples() {
    let mut pages = Vec::new();
    for name in ["replay", "record"] {
        let help = answer(command(&["detect", name, "--help"]));
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Examples:\n  cofferdam detect"), "{}", help.out);
        pages.push(help.out);
    }
    insta::assert_snapshot!("help", pages.join("\n================================\n\n"));
}
