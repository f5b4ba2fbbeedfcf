//! `watch`, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use common::{Agent, Mood, samples};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Watch {
    fn start(agent: &Agent, arguments: &[&str]) -> (Self, String) {
        let mut child =
            agent.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        (Self { child, out }, first)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    fn end(mut self) -> (String, String, i32) {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (out, err, code)
    }
}

#[test]
fn events_appear_as_they_happen_and_the_end_says_how_complete_it_was() {
    let agent = Agent::start(Mood::Well);
    let events = samples::events();
    let limit = events.len().to_string();
    let (watch, heading) = Watch::start(&agent, &["watch", "--limit", &limit]);
    for event in events.into_iter().rev() {
        agent.backend.live.publish(event);
        // The tap of this agent keeps few events: let the watcher keep up.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (out, err, code) = watch.end();
    assert_eq!((err.as_str(), code), ("", 0));
    insta::assert_snapshot!("watch", heading + &out);
}

#[test]
fn whoever_asks_for_detections_sees_those_alone() {
    let agent = Agent::start(Mood::Well);
    let (mut watch, _) =
        Watch::start(&agent, &["watch", "-o", "jsonl", "--severity", "high", "--limit", "2"]);
    for event in samples::events() {
        if !matches!(event, cofferdam_api::Event::Loss(_)) {
            agent.backend.live.publish(event);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    for rule in ["secret-sweep", "read-then-new-destination"] {
        let event: Value = serde_json::from_str(&watch.line()).unwrap();
        assert_eq!((&event["event"], &event["rule"]), (&Value::from("detection"), &Value::from(rule)));
    }
    assert_eq!(watch.end().2, 0);
}

#[test]
fn each_event_is_flushed_and_an_interrupt_ends_the_watch_in_order() {
    let agent = Agent::start(Mood::Well);
    let (mut watch, first) = Watch::start(&agent, &["watch", "-o", "jsonl", "--workload", "shop/*/app"]);
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["event"], "watching");
    for row in samples::accesses() {
        agent.backend.live.publish(row.into());
    }
    let event: Value = serde_json::from_str(&watch.line()).unwrap();
    assert_eq!((&event["event"], &event["pid"]), (&"access".into(), &4211.into()));
    let event: Value = serde_json::from_str(&watch.line()).unwrap();
    assert_eq!((&event["event"], &event["pid"]), (&"access".into(), &4340.into()));
    watch.interrupt();
    let (out, err, code) = watch.end();
    assert_eq!(out, "{\"completeness\":{\"complete\":true,\"lost\":0,\"missed\":0}}\n");
    assert_eq!((err.as_str(), code), ("", 0));
}

#[test]
fn a_loss_meanwhile_is_shown_and_makes_a_strict_watch_incomplete() {
    let agent = Agent::start(Mood::Well);
    let (watch, _) = Watch::start(&agent, &["watch", "--strict", "--limit", "1"]);
    agent.backend.live.publish(samples::losses().remove(0).into());
    let (out, _, code) = watch.end();
    assert!(out.contains("12 events of open: ring-full"), "{out}");
    assert!(out.ends_with("INCOMPLETE: 1 event shown, 12 lost by the agent\n"), "{out}");
    assert_eq!(code, 3);
}

#[test]
fn an_agent_that_stops_ends_the_watch_as_failed() {
    let agent = Agent::start(Mood::Well);
    let (watch, _) = Watch::start(&agent, &["watch"]);
    drop(agent);
    let (out, err, code) = watch.end();
    assert!(out.ends_with("INCOMPLETE: no events shown, until the agent stopped\n"), "{out}");
    assert_eq!(err, "error: the agent stopped; what it recorded answers with --journal DIR\n");
    assert_eq!(code, 1);
}
