//! How it ends: exit codes, errors that say what to do, and help with examples.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use common::{Agent, Answer, Mood, answer, command};

fn alone(arguments: &[&str]) -> Answer {
    answer(command(arguments))
}

#[test]
fn zero_is_done_and_three_is_incomplete_if_asked_to_be_strict() {
    let (well, lossy) = (Agent::start(Mood::Well), Agent::start(Mood::Lossy));
    for command in
        ["accesses", "connections", "denials", "attempts", "audit", "workloads", "secrets", "status"]
    {
        assert_eq!(well.ask(&[command, "--strict"]).code, 0, "{command}");
        assert_eq!(lossy.ask(&[command]).code, 0, "{command}");
        for format in ["table", "wide", "json", "jsonl"] {
            let strict = lossy.ask(&[command, "--strict", "-o", format]);
            assert_eq!(strict.code, 3, "{command} {format}");
            assert!(!strict.out.is_empty(), "the answer is given all the same");
            assert_eq!(strict.err, "error: the answer is incomplete, and --strict was given\n");
        }
    }
    assert_eq!(lossy.ask(&["timeline", "shop/*", "--strict"]).code, 3);
}

#[test]
fn one_is_failed() {
    let agent = Agent::start(Mood::Well);
    let failed = agent.ask(&["accesses", "--workload", "fire"]);
    assert_eq!((failed.code, failed.out.as_str()), (1, ""));
    assert_eq!(failed.err, "error: the agent could not answer: the journal is on fire\n");

    let starting = Agent::start(Mood::Starting).ask(&["accesses"]);
    assert_eq!(starting.code, 1);
    assert_eq!(starting.err, "error: the agent is still starting: try again in a moment\n");
}

#[test]
fn doctor_fails_where_something_needed_is_missing() {
    assert_eq!(Agent::start(Mood::Well).ask(&["doctor"]).code, 0);
    let doctor = Agent::start(Mood::Lossy).ask(&["doctor"]);
    assert_eq!(doctor.code, 1);
    insta::assert_snapshot!("doctor_with_a_missing_hook", doctor.out);
}

#[test]
fn doctor_looks_at_the_host_when_no_agent_answers() {
    let doctor = alone(&["--socket", "/nonexistent/agent.sock", "doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.out.contains("FAIL  agent"), "{}", doctor.out);
    for check in ["root", "BTF", "cgroup v2", "LSM list", "lockdown", "bpffs", "tracefs"] {
        assert!(doctor.out.contains(&format!("  {check} ")), "{check} in\n{}", doctor.out);
    }
    let json = alone(&["--socket", "/nonexistent/agent.sock", "doctor", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["checks"][0]["ok"], "fail");
    assert_eq!(json["hooks"], serde_json::json!([]));
}

#[test]
fn two_is_bad_usage() {
    let agent = Agent::start(Mood::Well);
    for arguments in [
        &["accesses", "--since", "yesterday"][..],
        &["accesses", "--since", "1h", "--until", "2h"],
        &["accesses", "--verdict", "maybe"],
        &["accesses", "--limit", "0"],
        &["accesses", "--workload", "nonsense"],
        &["accesses", "-o", "yaml"],
        &["workloads", "--binary", "/bin/sh"],
        &["attempts", "--secret", "x"],
        &["denials", "--verdict", "allowed"],
        &["audit", "--verdict", "denied"],
        &["timeline"],
        &["timeline", "shop/*", "--workload", "shop/*"],
        &["watch", "-o", "json"],
        &["watch", "--since", "1h"],
        &["--socket", "/x", "--journal", "/y", "accesses"],
        &["--journal", "/y", "watch"],
        &["--journal", "/y", "status"],
        &["--journal", "/y", "doctor"],
        &["frobnicate"],
        &[],
    ] {
        let refused = agent.ask(arguments);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{arguments:?}: {}", refused.err);
        assert!(!refused.err.is_empty());
    }
}

#[test]
fn errors_say_what_was_wrong_and_what_to_do() {
    let agent = Agent::start(Mood::Well);
    let errors: Vec<String> = [
        &["accesses", "--since", "yesterday"][..],
        &["accesses", "--since", "2026-11-22", "--until", "2026-11-21"],
        &["accesses", "--verdict", "maybe"],
        &["accesses", "--workload", "nonsense"],
        &["timeline"],
        &["watch", "-o", "json"],
        &["--journal", "/y", "status"],
        &["--socket", "/nonexistent/agent.sock", "accesses"],
        &["--socket", "/etc/passwd", "accesses"],
    ]
    .iter()
    .map(|arguments| format!("$ cofferdam {}\n{}", arguments.join(" "), agent.ask(arguments).err))
    .collect();
    insta::assert_snapshot!("errors", errors.join("\n"));
}

#[test]
fn a_socket_that_an_agent_left_behind_is_told_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    let refused = alone(&["--socket", path.to_str().unwrap(), "secrets"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("nobody listens: cofferdamd has died"), "{}", refused.err);
}

#[test]
fn the_option_goes_before_the_environment_and_a_journal_before_both() {
    let agent = Agent::start(Mood::Well);
    let elsewhere = agent.ask(&["--socket", "/nonexistent/agent.sock", "secrets"]);
    assert!(elsewhere.err.contains("/nonexistent/agent.sock"), "{}", elsewhere.err);
    let journal = agent.ask(&["--journal", "/nonexistent/journal", "secrets"]);
    assert_ne!(journal.code, 0);
    assert!(journal.err.contains("/nonexistent/journal"), "{}", journal.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let agent = Agent::start(Mood::Well);
    for format in ["wide", "json", "jsonl"] {
        let mut child = agent
            .command(&["accesses", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{format}");
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let agent = Agent::start(Mood::Well);
    // util-linux's `script` runs a command on a terminal of its own.
    let on_a_terminal = |no_color: Option<&str>, term: &str| {
        let mut script = Command::new("script");
        let line = format!("{} accesses", env!("CARGO_BIN_EXE_cofferdam"));
        script
            .args(["-qec", &line, "/dev/null"])
            .env_remove("NO_COLOR")
            .env("TERM", term)
            .stdin(Stdio::null());
        script.env("COFFERDAM_SOCKET", &agent.path).envs(no_color.map(|value| ("NO_COLOR", value)));
        answer(script).out
    };
    assert!(on_a_terminal(None, "xterm").contains('\u{1b}'));
    assert!(on_a_terminal(Some(""), "xterm").contains('\u{1b}'), "an empty NO_COLOR says nothing");
    assert!(!on_a_terminal(Some("1"), "xterm").contains('\u{1b}'));
    assert!(!on_a_terminal(None, "dumb").contains('\u{1b}'));
}

#[test]
fn every_command_has_help_with_examples() {
    let mut pages = vec![alone(&["--help"]).out];
    for name in [
        "doctor",
        "status",
        "workloads",
        "secrets",
        "accesses",
        "connections",
        "detections",
        "denials",
        "attempts",
        "audit",
        "timeline",
        "watch",
        "rules",
        "detect",
        "completions",
    ] {
        let help = alone(&[name, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains(&format!("Examples:\n  cofferdam {name}")), "{}", help.out);
        pages.push(help.out);
    }
    insta::assert_snapshot!("help", pages.join("\n================================\n\n"));
}

#[test]
fn completions_are_given_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = alone(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("timeline"), "{shell}");
    }
}
