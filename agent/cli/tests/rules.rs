//! `rules`, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::fs;

use common::{Agent, Answer, Mood, answer, command};
use serde_json::Value;

/// Without an agent.
fn alone(arguments: &[&str]) -> Answer {
    let mut command = command(arguments);
    command.env("COFFERDAM_SOCKET", "/nonexistent/agent.sock");
    answer(command)
}

fn out(answer: Answer) -> String {
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(!answer.out.contains('\u{1b}'), "no colour and no escape sequence outside a terminal");
    answer.out
}

const GOOD: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: DetectionRule
metadata: { name: shell-reads }
spec:
  title: A shell read a secret
  severity: low
  technique: [ T1552 ]
  on: access
  when: process.path.endsWith('sh')
";

const BAD: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: DetectionRule
metadata: { name: Shell_Reads }
spec:
  title: A shell read a secret
  severity: dreadful
  technique: [ shell ]
  on: access
  when: >-
    process.path.endsWith('sh') &&
    process.pth == '/bin/sh'
---
apiVersion: cofferdam.dev/v1alpha1
kind: DetectionRule
metadata: { name: shell-connects }
spec:
  title: A shell connected
  severity: low
  technique: [ T1041 ]
  on: connection
  when: destination.port == \"443\"
";

#[test]
fn the_agent_s_rules_are_listed_with_what_they_have_done() {
    let agent = Agent::start(Mood::Well);
    insta::assert_snapshot!("list", out(agent.ask(&["rules", "list"])));
    insta::assert_snapshot!("list_wide", out(agent.ask(&["rules", "list", "-o", "wide"])));
    insta::assert_snapshot!("list_jsonl", out(agent.ask(&["rules", "list", "-o", "jsonl"])));
}

#[test]
fn without_an_agent_the_rules_are_those_that_it_would_run() {
    insta::assert_snapshot!("list_without_agent", out(alone(&["rules", "list"])));
}

#[test]
fn a_rule_is_explained_in_words_with_the_fields_that_it_asks_for() {
    for name in ["unexpected-reader", "secret-sweep", "read-then-new-destination"] {
        insta::assert_snapshot!(format!("explain_{name}"), out(alone(&["rules", "explain", name])));
    }
    let json: Value =
        serde_json::from_str(&out(alone(&["rules", "explain", "secret-sweep", "-o", "json"]))).unwrap();
    assert_eq!(json["fields"][0]["name"], "workload.container");
    let none = alone(&["rules", "explain", "no-such"]);
    assert_eq!(none.code, 2);
    assert!(
        none.err.contains("no rule is called no-such; there are denied-again-and-again, "),
        "{}",
        none.err
    );
}

#[test]
fn files_are_checked_and_every_mistake_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    fs::write(&good, GOOD).unwrap();
    fs::write(&bad, BAD).unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    assert_eq!(out(alone(&["rules", "check", good])), "clean: 1 rule\n");
    let all = alone(&["rules", "check", good, bad, good]);
    assert_eq!((all.code, all.err.as_str()), (2, ""));
    insta::assert_snapshot!("check", all.out.replace(folder.path().to_str().unwrap(), "DIR"));
    let json: Value = serde_json::from_str(&alone(&["rules", "check", bad, "-o", "json"]).out).unwrap();
    assert_eq!(json["refusals"][3]["line"], 11);

    let explained = out(alone(&["rules", "explain", "shell-reads", "--rules", good]));
    assert!(explained.contains("process.path.endsWith('sh')"), "{explained}");
    let refused = alone(&["rules", "explain", "shell-reads", "--rules", good, bad]);
    assert_eq!(refused.code, 2);
}

#[test]
fn every_command_has_help_with_examples() {
    let mut pages = Vec::new();
    for name in ["list", "check", "explain", "schema"] {
        let help = answer(command(&["rules", name, "--help"]));
        assert_eq!(help.code, 0);
        assert!(help.out.contains(&format!("Examples:\n  cofferdam rules {name}")), "{}", help.out);
        pages.push(help.out);
    }
    insta::assert_snapshot!("help", pages.join("\n================================\n\n"));
}
