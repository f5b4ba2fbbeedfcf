//! Policies and orders, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Agent, Answer, Mood, answer};
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
    list: Well, "policy", "list";
    list_wide: Well, "policy", "list", "-o", "wide";
    list_json: Well, "policy", "list", "-o", "json";
    list_none: Starting, "policy", "list";
    status_amiss: Lossy, "policy", "status";
    status_wide: Lossy, "policy", "status", "-o", "wide";
    status_as_written: Well, "status", "--policy";
    status_selected: Lossy, "policy", "status", "--policy", "shop/w*", "--workload", "*/deps";
    status_none: Starting, "policy", "status";
    status_json: Well, "policy", "status", "-o", "json", "--workload", "*/deps";
    status_jsonl: Lossy, "policy", "status", "-o", "jsonl", "--workload", "*/deps";
    explain: Well, "policy", "explain", "--event", "0a1b2c3d-10e0";
    explain_json: Well, "policy", "explain", "--event", "0a1b2c3d-10e0", "-o", "json";
    explain_allowed: Well, "policy", "explain", "--event", "allowed";
    confirm: Well, "policy", "confirm", "shop/workers";
    remove: Well, "policy", "remove", "web";
    orders: Well, "orders";
    orders_wide: Well, "orders", "-o", "wide";
    orders_none: Starting, "orders";
    contain: Well, "contain", "--workload", "shop/web-*/deps", "--cut-off", "--owner", "me", "--reason", "INC-1";
    contain_secret: Well, "contain", "--secret", "volume/creds", "--workload", "shop/*", "--until", "2100-01-01",
        "--owner", "me", "--reason", "INC-1";
    contain_json: Well, "contain", "--secret", "volume/creds", "--owner", "me", "--reason", "INC-1", "-o", "json";
    release: Well, "release", "o-18";
    unload: Well, "unload", "--yes";
}

/// A folder with two good policies and, if asked for, two bad ones.
fn folder(with_bad: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.yaml", "good: 1\n");
    write("b.yml", "good: 2\n");
    if with_bad {
        write("c.yaml", "good: 3\nbad: 3\n");
        write("d.yaml", "bad: 4\n");
    }
    folder
}

fn within(folder: &Path, agent: &Agent, arguments: &[&str]) -> Answer {
    let mut command = agent.command(arguments);
    command.current_dir(folder);
    answer(command)
}

fn applied(agent: &Agent) -> Vec<String> {
    agent.backend.applied.lock().unwrap().clone()
}

#[test]
fn a_policy_is_applied_for_good_for_a_while_or_not_at_all() {
    let (agent, folder) = (Agent::start(Mood::Well), folder(false));
    let mut said = Vec::new();
    for arguments in [
        &["policy", "apply", "a.yaml", "--dry-run"][..],
        &["policy", "apply", "a.yaml", "--confirm-within", "5m"],
        &["policy", "apply", ".", "-o", "wide"],
        &["policy", "apply", "a.yaml", "-o", "json"],
    ] {
        let answer = within(folder.path(), &agent, arguments);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
        said.push(format!("$ cofferdam {}\n{}", arguments.join(" "), answer.out));
    }
    insta::assert_snapshot!("apply", said.join("\n"));
    assert_eq!(
        applied(&agent),
        ["good: 1\n", "good: 1\n", "good: 2\n", "good: 1\n"],
        "a dry run applies nothing"
    );
}

#[test]
fn of_several_files_none_is_applied_if_one_is_refused() {
    let (agent, folder) = (Agent::start(Mood::Well), folder(true));
    let mut said = Vec::new();
    for arguments in [
        &["policy", "apply", "c.yaml"][..],
        &["policy", "apply", "."],
        &["policy", "apply", "a.yaml", "c.yaml", "--dry-run", "-o", "json"],
        &["policy", "apply", "a.yaml", "none.yaml", "neither.yaml"],
        &["policy", "apply", "a.yaml", "--confirm-within", "0s"],
        &["policy", "apply"],
    ] {
        let refused = within(folder.path(), &agent, arguments);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{arguments:?}");
        said.push(format!("$ cofferdam {}\n{}", arguments.join(" "), refused.err));
    }
    insta::assert_snapshot!("refused", said.join("\n"));
    assert!(applied(&agent).is_empty());
}

#[test]
fn a_policy_comes_from_the_standard_input() {
    let agent = Agent::start(Mood::Well);
    for (text, code) in [("good: 1\n", 0), ("bad: 1\n", 2)] {
        let mut child = agent
            .command(&["policy", "apply", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("stdin"), "{said}");
    }
    assert_eq!(applied(&agent), ["good: 1\n"]);
}

#[test]
fn strict_asks_whether_policies_are_enforced_as_written() {
    let (well, amiss) = (Agent::start(Mood::Well), Agent::start(Mood::Lossy));
    for arguments in [&["policy", "status", "--strict"][..], &["status", "--policy", "--strict"]] {
        assert_eq!(well.ask(arguments).code, 0);
        let answer = amiss.ask(arguments);
        assert_eq!(answer.code, 3);
        assert_eq!(answer.err, "error: policies are not enforced as written, and --strict was given\n");
        assert!(answer.out.contains("NOT AS WRITTEN"), "the answer is given all the same");
    }
}

#[test]
fn unloading_says_first_what_would_be_lifted() {
    let agent = Agent::start(Mood::Well);
    let asked = agent.ask(&["unload"]);
    assert_eq!(asked.code, 2);
    assert_eq!(
        asked.err,
        "error: nothing was lifted: with --yes all of this would be (3 policies, 2 orders), the pins removed, and the \
         agent would end\n"
    );
    assert!(asked.out.contains("shop/web ") && asked.out.contains("o-17"), "{}", asked.out);
    let json: Value = serde_json::from_str(&agent.ask(&["unload", "-o", "json"]).out).unwrap();
    assert_eq!(json["policies"].as_array().unwrap().len(), 3);
    assert!(applied(&agent).is_empty());
    assert_eq!(agent.ask(&["unload", "--yes"]).code, 0);
    assert_eq!(applied(&agent), ["unload"]);
}

#[test]
fn bad_usage_says_what_to_do() {
    let agent = Agent::start(Mood::Well);
    let why = ["--owner", "me", "--reason", "INC-1"];
    let contain = |more: &[&'static str]| [&["contain"], more, &why].concat();
    let said: Vec<_> = [
        contain(&["--cut-off"]),
        contain(&["--workload", "w", "--until", "30m"]),
        contain(&["--workload", "w", "--until", "2020-01-01 00:00", "--for", "1h"]),
        contain(&["--workload", "w", "--for", "soon"]),
        vec!["contain", "--workload", "w", "--owner", " ", "--reason", "r"],
        vec!["contain", "--workload", "w"],
        vec!["release", "o-99"],
        vec!["policy", "remove", "none"],
        vec!["policy", "explain", "--event", "none"],
        vec!["policy"],
        vec!["--journal", "/y", "policy", "status"],
        vec!["--journal", "/y", "contain", "--workload", "w", "--owner", "o", "--reason", "r"],
    ]
    .into_iter()
    .map(|arguments| {
        let refused = agent.ask(&arguments);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{arguments:?}");
        format!("$ cofferdam {}\n{}", arguments.join(" "), refused.err)
    })
    .collect();
    insta::assert_snapshot!("bad_usage", said.join("\n"));
    let past = agent.ask(&contain(&["--workload", "w", "--until", "2020-01-01"]));
    assert!(
        past.code == 2 && past.err.contains("--until 2020-01-01 00:00:00 UTC has passed"),
        "{}",
        past.err
    );
}

#[test]
fn an_agent_that_cannot_is_no_mistake_of_the_caller() {
    let folder = folder(false);
    let starting = within(folder.path(), &Agent::start(Mood::Starting), &["policy", "apply", "."]);
    assert_eq!(starting.code, 1);
    assert_eq!(starting.err, "error: the agent is still starting: try again in a moment\n");
}

#[test]
fn every_command_has_help_with_examples() {
    let mut pages = Vec::new();
    for name in [
        "policy",
        "policy apply",
        "policy confirm",
        "policy list",
        "policy remove",
        "policy status",
        "policy explain",
        "contain",
        "release",
        "orders",
        "unload",
    ] {
        let arguments: Vec<_> = name.split(' ').chain(["--help"]).collect();
        let help = answer(common::command(&arguments));
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Examples:\n  cofferdam "), "{}", help.out);
        pages.push(help.out);
    }
    insta::assert_snapshot!("help", pages.join("\n================================\n\n"));
}

#[test]
fn completions_know_the_commands() {
    let script = answer(common::command(&["completions", "bash"])).out;
    for word in ["confirm-within", "cut-off", "unload", "explain"] {
        assert!(script.contains(word), "{word}");
    }
}

#[test]
fn what_matters_is_coloured_on_a_terminal() {
    let agent = Agent::start(Mood::Lossy);
    // util-linux's `script` runs a command on a terminal of its own.
    let line = format!("{} policy status", env!("CARGO_BIN_EXE_cofferdam"));
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    script.env("COFFERDAM_SOCKET", &agent.path);
    assert!(answer(script).out.contains("\u{1b}[1m\u{1b}[31mNOT ENFORCED"));
}
