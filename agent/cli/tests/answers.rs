//! What each command answers, for people and for programs, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::collections::BTreeSet;
use std::net::IpAddr;

use common::{Agent, Mood};
use serde_json::Value;

fn out(mood: Mood, arguments: &[&str]) -> String {
    let answer = Agent::start(mood).ask(arguments);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
    assert!(!answer.out.contains('\u{1b}'), "no colour and no escape sequence outside a terminal");
    answer.out
}

macro_rules! answers {
    ($($name:ident: $mood:ident, $($argument:literal),+;)+) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), out(Mood::$mood, &[$($argument),+]));
        }
    )+};
}

answers! {
    accesses: Well, "accesses";
    accesses_wide: Well, "accesses", "-o", "wide";
    accesses_json: Well, "accesses", "-o", "json", "--since", "2026-11-22T04:00:00Z", "--limit", "1";
    accesses_jsonl: Lossy, "accesses", "-o", "jsonl";
    accesses_lossy: Lossy, "accesses";
    accesses_limited: Well, "accesses", "--limit", "2";
    accesses_none: Well, "accesses", "--workload", "none", "--since", "2026-11-22 04:00", "--verdict", "denied";
    connections: Well, "connections";
    connections_json: Well, "connections", "-o", "json", "--limit", "1";
    detections: Well, "detections";
    detections_wide: Well, "detections", "-o", "wide";
    detections_json: Lossy, "detections", "-o", "json", "--limit", "1";
    detections_none: Well, "detections", "--workload", "none", "--severity", "high", "--rule", "secret-*";
    denials: Lossy, "denials";
    denials_wide: Well, "denials", "-o", "wide";
    denials_jsonl: Well, "denials", "-o", "jsonl", "--limit", "2";
    attempts: Well, "attempts";
    attempts_wide: Well, "attempts", "-o", "wide";
    attempts_json: Well, "attempts", "-o", "json", "--limit", "1";
    audit: Well, "audit";
    audit_json: Well, "audit", "-o", "json", "--limit", "1";
    audit_none: Well, "audit", "--workload", "none";
    workloads: Well, "workloads";
    workloads_wide: Well, "workloads", "-o", "wide";
    workloads_json: Well, "workloads", "-o", "json", "--limit", "1";
    secrets: Well, "secrets";
    secrets_wide: Well, "secrets", "-o", "wide";
    secrets_json: Well, "secrets", "-o", "json", "--limit", "1";
    timeline: Lossy, "timeline", "shop/*";
    timeline_none: Well, "timeline", "none";
    timeline_jsonl: Well, "timeline", "shop/*", "-o", "jsonl", "--limit", "2";
    doctor: Well, "doctor";
    doctor_json: Well, "doctor", "-o", "json";
    status_json: Well, "status", "-o", "json";
}

#[test]
fn a_timeline_in_json_gives_its_lists() {
    let timeline: Value =
        serde_json::from_str(&out(Mood::Well, &["timeline", "shop/*", "-o", "json"])).unwrap();
    let lengths = ["processes", "accesses", "connections", "attempts", "audits", "detections", "losses"]
        .map(|list| timeline[list].as_array().unwrap().len());
    assert_eq!(lengths, [14, 6, 4, 3, 2, 3, 1]);
    assert_eq!(timeline["completeness"]["complete"], true);
}

/// What every row of accesses and connections has.
const COMMON: &str = "id first last count workload namespace pod container container_id cgroup binary binary_inode \
     binary_origin interpreter pid process_start boot_id ppid uid exec_session verdict denied_by enforced_by policy \
     rule exception generation";

#[test]
fn a_field_without_a_value_is_null_and_never_absent() {
    for (command, own) in [
        ("accesses", "secret secret_uid key how mode target"),
        ("connections", "destination port protocol tainted_by"),
    ] {
        let answer: Value = serde_json::from_str(&out(Mood::Well, &[command, "-o", "json"])).unwrap();
        let rows = answer["rows"].as_array().unwrap();
        for field in COMMON.split_whitespace().chain(own.split_whitespace()) {
            assert!(rows.iter().all(|row| row.get(field).is_some()), "{command}: {field} is absent");
        }
        let fields = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert!(
            rows.iter().all(|row| fields(row) == fields(&rows[0])),
            "{command}: rows have different fields"
        );
        assert!(rows.iter().any(|row| row["binary"].is_null()), "{command}: no sample lacks a value");
        assert_eq!(answer["since"], Value::Null);
        assert!(fields(&answer).iter().eq(["completeness", "rows", "since", "until"]));
        for field in ["complete", "lost", "unknown_workloads", "sources"] {
            assert!(answer["completeness"].get(field).is_some(), "{command}: completeness.{field} is absent");
        }
    }
}

#[test]
fn a_connection_s_own_fields_have_their_types() {
    let answer: Value = serde_json::from_str(&out(Mood::Well, &["connections", "-o", "json"])).unwrap();
    for row in answer["rows"].as_array().unwrap() {
        assert!(row["port"].as_u64().is_some_and(|port| port <= 65535), "{row}");
        assert!(matches!(row["protocol"].as_str(), Some("tcp" | "udp")), "{row}");
        let destination = row["destination"].as_str();
        assert!(
            row["destination"].is_null() || destination.is_some_and(|to| to.parse::<IpAddr>().is_ok()),
            "{row}"
        );
        // A list, also where there is nothing to list.
        assert!(row["tainted_by"].as_array().unwrap().iter().all(Value::is_string), "{row}");
        for time in ["first", "last", "process_start"] {
            let text = row[time].as_str();
            assert!(
                row[time].is_null() || text.is_some_and(|text| text.len() == 30 && text.ends_with('Z')),
                "{row}"
            );
        }
    }
}

#[test]
fn every_line_of_jsonl_is_a_document_and_the_last_is_the_completeness() {
    for command in ["accesses", "connections", "denials", "attempts", "audit", "workloads", "secrets"] {
        let text = out(Mood::Lossy, &[command, "-o", "jsonl"]);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (last, rows) = lines.split_last().unwrap();
        assert_eq!(last["completeness"]["lost"], 12);
        assert!(!rows.is_empty() && rows.iter().all(|row| row.get("completeness").is_none()));
    }
}

#[test]
fn every_table_ends_with_its_completeness() {
    for command in ["accesses", "connections", "denials", "attempts", "audit", "workloads", "secrets"] {
        let complete = out(Mood::Well, &[command]);
        assert!(complete.lines().last().unwrap().starts_with("complete: nothing lost since "), "{complete}");
        let incomplete = out(Mood::Lossy, &[command]);
        assert!(incomplete.lines().last().unwrap().starts_with("INCOMPLETE: 12 events "), "{incomplete}");
    }
    let status = out(Mood::Lossy, &["status"]);
    assert_eq!(status.lines().last().unwrap(), "INCOMPLETE: 12 events lost since the agent started");
}
