//! `policy check`, `test`, `learn` and `schema`, by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod common;
#[path = "common/journal.rs"]
mod journal;

use std::fs;
use std::path::Path;

use cofferdam_model::Record;
use common::{Agent, Answer, Mood, answer, command};
use journal::{records, write_all};
use serde_json::Value;

const SINCE: &str = "2026-11-22T05:00:05Z";

/// Permits what the journal has seen but for the connection, and names a secret that nobody has.
const STRICT: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: api }
spec:
  selector: { workload: 'default/*' }
  secrets:
    - id: db
      secret: payments/db-password
      readers: [ { binary: /usr/bin/python3 } ]
      destinations: [ { cidr: 192.0.2.0/24, ports: [5432] } ]
";

const BAD: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: api }
spec:
  selector: { workload: 'default/*' }
  secrets:
    - { id: db, secret: db, readers: [ { binary: server } ] }
    - { id: db, secret: db, readers: [] }
";

/// The runtime has told the container's name.
fn named() -> Vec<Record> {
    let name = |mut record| {
        if let Record::Workload(workload) = &mut record {
            workload.container = Some("c1".to_owned());
        }
        record
    };
    records().into_iter().map(name).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("journal")).unwrap();
        write_all(&folder.path().join("journal"), &named());
        for (name, text) in
            [("strict.yaml", STRICT), ("bad.yaml", BAD), ("none.yaml", &STRICT.replace("default", "other"))]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ask(&self, arguments: &[&str]) -> Answer {
        let mut command = command(arguments);
        command.args(["--journal", "journal"]).current_dir(self.path());
        answer(command)
    }

    fn said(&self, arguments: &[&str], code: i32) -> String {
        let answer = self.ask(arguments);
        assert_eq!(answer.code, code, "{arguments:?}: {}{}", answer.out, answer.err);
        format!("$ cofferdam {}\n{}{}", arguments.join(" "), answer.out, answer.err)
    }
}

#[test]
fn a_policy_is_tested_on_what_was_seen() {
    let place = Place::new();
    let said = [
        place.said(&["policy", "test", "strict.yaml", "--since", SINCE], 0),
        place.said(&["policy", "test", "strict.yaml", "--since", SINCE, "--all"], 0),
        place.said(&["policy", "test", "none.yaml", "--since", SINCE], 0),
        place.said(&["policy", "test", "strict.yaml", "--since", SINCE, "-o", "jsonl"], 0),
        place.said(&["policy", "test", "bad.yaml", "--since", SINCE], 2),
    ];
    insta::assert_snapshot!("test", said.join("\n"));
    let strict = place.ask(&["policy", "test", "strict.yaml", "--since", "2026-11-22T04:00:00Z", "--strict"]);
    assert_eq!(strict.code, 3, "what was not watched is not answered: {}", strict.out);
}

#[test]
fn a_policy_is_checked_with_what_runs_here_and_was_normal() {
    let place = Place::new();
    let said = [
        place.said(&["policy", "check", "strict.yaml", "--since", SINCE], 1),
        place.said(&["policy", "check", "none.yaml", "--since", SINCE], 1),
        place.said(&["policy", "check", "bad.yaml", "strict.yaml", "--since", SINCE], 2),
        place.said(&["policy", "check", "bad.yaml", "-o", "json", "--since", SINCE], 2),
    ];
    insta::assert_snapshot!("check", said.join("\n"));
}

#[test]
fn without_an_agent_a_check_looks_at_the_files() {
    let place = Place::new();
    let mut alone = command(&["policy", "check", "strict.yaml", "--socket", "/nonexistent/agent.sock"]);
    alone.current_dir(place.path());
    let alone = answer(alone);
    assert_eq!(alone.code, 0, "{}", alone.err);
    assert_eq!(
        alone.out,
        "clean: 1 policy\nnot compared with what runs and is in force here, nor with the past: cannot reach the agent at \
         /nonexistent/agent.sock: no such file\n"
    );
    let mut named = command(&["policy", "check", "strict.yaml", "--journal", "/nonexistent"]);
    named.current_dir(place.path());
    assert_eq!(answer(named).code, 2, "a journal that was named is to be there");
}

#[test]
fn a_check_asks_the_agent_what_is_in_force_and_what_it_has_accepted() {
    let place = Place::new();
    let agent = Agent::start(Mood::Well);
    let check = |text: &str| {
        fs::write(place.path().join("new.yaml"), text).unwrap();
        let mut command = agent.command(&["policy", "check", "new.yaml"]);
        command.current_dir(place.path());
        answer(command)
    };
    let beside = check(&STRICT.replace("name: api", "name: new"));
    assert_eq!(beside.code, 1, "{}", beside.err);
    let expected = "finding new/db: api/db: no binary may read payments/db-password by both; api is in force";
    assert!(beside.out.contains(expected), "{}", beside.out);
    assert!(beside.out.contains("not compared with what runs here"), "{}", beside.out);
    let instead = check(STRICT);
    assert_eq!(instead.code, 0, "it takes the place of the one in force: {}", instead.out);

    let excepting = |expires: &str| {
        check(&format!(
            "{STRICT}  exceptions: [ {{ rule: db, allow: any, reason: a, owner: b, expires: {expires} }} ]\n"
        ))
    };
    let again = excepting("2026-11-10T00:00:00Z");
    assert_eq!(again.code, 2, "{}", again.out);
    assert!(again.out.contains("more than 30 days after its first acceptance, 2026-10-01"), "{}", again.out);
}

#[test]
fn an_agents_own_journal_is_read_where_it_lies() {
    let place = Place::new();
    let agent = Agent::start(Mood::Well);
    let mut command = agent.command(&["policy", "test", "strict.yaml"]);
    command.current_dir(place.path());
    let refused = answer(command);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(
        refused.err.contains("run it where the agent runs, as root, or name a copy with --journal DIR"),
        "{}",
        refused.err
    );
}

#[test]
fn what_is_learnt_is_clean_and_denies_nothing_of_what_it_was_learnt_from() {
    let place = Place::new();
    let learnt = place.ask(&["policy", "learn", "--workload", "default/c1", "--since", SINCE]);
    assert_eq!((learnt.code, learnt.err.as_str()), (0, ""));
    insta::assert_snapshot!("learn", learnt.out);
    fs::write(place.path().join("learnt.yaml"), &learnt.out).unwrap();
    let checked = place.ask(&["policy", "check", "learnt.yaml", "--since", SINCE]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    let tested = place.ask(&["policy", "test", "learnt.yaml", "--since", SINCE, "-o", "json"]);
    let tested: Value = serde_json::from_str(&tested.out).unwrap();
    assert_eq!((&tested["denied"], &tested["undecidable"]), (&0.into(), &0.into()), "{tested:#}");
    assert!(tested["allowed"].as_u64().unwrap() >= 4, "{tested:#}");
    let json = place.ask(&["policy", "learn", "--workload", "default/c1", "--since", SINCE, "-o", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["policy"], learnt.out);
    let none = place.ask(&["policy", "learn", "--workload", "default/none", "--since", SINCE]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("knows no workload default/none"), "{}", none.err);
}

#[test]
fn the_schema_is_that_of_the_file() {
    let answer = answer(command(&["policy", "schema"]));
    let schema: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(schema["title"], "ContainmentPolicy");
}

#[test]
fn every_command_has_help_with_examples() {
    let mut pages = Vec::new();
    for name in ["check", "test", "learn", "schema"] {
        let help = answer(command(&["policy", name, "--help"]));
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Examples:\n  cofferdam "), "{}", help.out);
        pages.push(help.out);
    }
    insta::assert_snapshot!("help", pages.join("\n================================\n\n"));
    let script = answer(command(&["completions", "bash"])).out;
    for word in ["learn", "schema", "resolver"] {
        assert!(script.contains(word), "{word}");
    }
}
