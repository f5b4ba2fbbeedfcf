//! The policies that are shipped: each file is understood, compiles and gives no findings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_model::Workload;
use cofferdam_policy::{Mode, Policy, Selection, check};
use kit::{Case, container, parsed, wall};

/// By its name and text.
type Shipped = (String, String);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/policies")
}

fn shipped() -> Vec<Shipped> {
    let paths = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let all: Vec<Shipped> = files.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    assert!(!all.is_empty(), "there are none");
    all
}

fn understood((name, text): &Shipped) -> Policy {
    let mut policies = parsed(text).unwrap_or_else(|refused| panic!("{name}: {refused}"));
    assert_eq!(policies.len(), 1, "{name}");
    policies.remove(0)
}

/// What each of them is for.
fn selected() -> Vec<Workload> {
    ["api", "build-1", "nightly-report", "prod-api"]
        .map(container)
        .into_iter()
        .map(|it| Workload { labels: [("app".to_owned(), "my-controller".to_owned())].into(), ..it })
        .collect()
}

#[test]
fn each_shipped_policy_has_the_name_of_its_file_and_enforces() {
    for it in shipped() {
        let policy = understood(&it);
        assert_eq!(policy.name(), it.0);
        assert!(!policy.rules().is_empty(), "{}", it.0);
        assert!(policy.rules().iter().all(|rule| rule.mode == Mode::Enforce), "{}", it.0);
    }
}

#[test]
fn each_shipped_policy_compiles_for_a_workload_that_it_selects() {
    for it in shipped() {
        let policy = understood(&it);
        let rules: BTreeSet<String> = policy.rules().iter().map(|rule| rule.id.clone()).collect();
        let workload = selected().into_iter().find(|workload| policy.selects(workload) == Selection::Yes);
        let workload = workload.unwrap_or_else(|| panic!("{} selects none of {:?}", it.0, selected()));
        let compiled = Case { workload, ..Case::of(vec![policy]) }.compile().unwrap();
        let effective: BTreeSet<String> = compiled.effective.iter().map(|of| of.id.rule.clone()).collect();
        assert_eq!(effective, rules, "{}", it.0);
    }
}

#[test]
fn shipped_policies_give_no_findings_each_for_itself() {
    for it in shipped() {
        let found = check(&[&understood(&it)], &[], &selected(), wall("2026-11-22T02:00:00Z"));
        assert!(found.is_empty(), "{}: {found:?}", it.0);
    }
}

#[test]
fn each_shipped_policy_says_what_it_stops_what_not_and_what_to_edit() {
    for (name, text) in shipped() {
        for word in ["# stops     ", "# does not  ", "# edit      "] {
            assert!(text.contains(word), "{name} does not say `{word}`");
        }
        assert!((1..=5).contains(&text.matches("# yours").count()), "{name}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name} has a line that is too long");
    }
}

#[test]
fn each_shipped_policy_stands_in_their_table() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    for (name, _) in shipped() {
        assert!(table.contains(&format!("| [{name}]({name}.yaml) |")), "{name}");
    }
}

#[test]
fn the_glass_breaks_when_its_exceptions_are_uncommented() {
    let text = fs::read_to_string(folder().join("break-glass.yaml")).unwrap();
    let (closed, open) = (parsed(&text).unwrap(), parsed(&text.replace("\n  # ", "\n  ")).unwrap());
    assert_eq!(closed[0].exceptions().count(), 0);
    let rules: Vec<&str> = open[0].exceptions().map(|(rule, _)| rule.id.as_str()).collect();
    assert_eq!(rules, ["secrets", "sessions"]);
}

#[test]
fn the_metadata_service_is_out_of_reach_and_what_answers_for_names_at_its_address_is_not() {
    let text = fs::read_to_string(folder().join("metadata-service.yaml")).unwrap();
    let world = Case::of(parsed(&text).unwrap()).world();
    for address in ["169.254.169.254", "168.63.129.16", "fd00:ec2::254"] {
        assert_eq!(world.sends(address, 80), "denied metadata-service/metadata", "{address}");
        assert_eq!(world.told(world.send(address, 17, 53)), "allowed", "{address}");
    }
    assert_eq!(world.sends("192.0.2.1", 80), "allowed");
}
