use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_api::{Peer, PolicyText};
use cofferdam_model::BootTime;
use tempfile::TempDir;

use super::*;
use crate::containment::ending::Moment;

const NOW: &str = "2026-11-22T10:00:00Z";

/// A policy folder, and the agent's store beside it.
struct Node {
    place: TempDir,
    store: Store,
}

impl Node {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("policies")).unwrap();
        let store = open(place.path());
        Self { place, store }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("policies")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn says(&self, file: &str, policies: &[&str]) {
        fs::write(self.file(file), text(policies)).unwrap();
    }

    fn restart(&mut self) {
        self.store = open(self.place.path());
    }

    fn look_and_take(&mut self) -> Vec<Change> {
        let now = NOW.parse().unwrap();
        let (mut changes, files) = self.store.look(now);
        if let Some(files) = files {
            changes.extend(files.into_iter().flat_map(|file| self.store.take(file, now)));
            changes.extend(self.store.lift(now));
        }
        changes
    }

    fn looks(&mut self, count: usize) -> Vec<Change> {
        (0..count).flat_map(|_| self.look_and_take()).collect()
    }

    /// Looks more than once, at each of which these are in force.
    fn stay(&mut self, names: &[&str]) {
        for look in 0..10 {
            self.looks(1);
            assert_eq!(self.in_force(), names, "at look {look}");
        }
    }

    fn in_force(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.store.in_force().iter().map(|it| it.kept.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn source(&self, name: &str) -> &Path {
        Path::new(&self.store.in_force().iter().find(|it| it.kept.name == name).unwrap().kept.source)
    }

    fn is_told(&self, file: &Path, words: &str) -> bool {
        let file = file.display().to_string();
        self.store.refused().any(|it| it.file == file && it.message.contains(words))
    }
}

fn open(place: &Path) -> Store {
    let boot = "2c2e4c1e-2c52-4b1f-9d6f-6f0d3e1b2a01".parse().unwrap();
    Store::open(place.join("state"), place.join("policies"), boot, moment(NOW, 0)).unwrap()
}

fn moment(wall: &str, seconds: u64) -> Moment {
    Moment { wall: wall.parse().unwrap(), boot: BootTime::from_nanos(seconds * 1_000_000_000) }
}

fn text(policies: &[&str]) -> String {
    let one = |name: &&str| {
        format!(
            "---\n\
             apiVersion: cofferdam.dev/v1alpha1\n\
             kind: ContainmentPolicy\n\
             metadata: {{ name: {name} }}\n\
             spec:\n\
             \x20 selector: {{ cgroup: /a }}\n\
             \x20 exec: {{ id: ex, deny: [ {{ origin: written }} ] }}\n"
        )
    };
    policies.iter().map(one).collect()
}

fn in_force_with(file: &str, policies: &[&str]) -> Node {
    let mut node = Node::new();
    node.says(file, policies);
    node.looks(2);
    assert_eq!(node.in_force(), policies);
    node
}

#[test]
fn a_file_is_read_once_it_was_the_same_at_two_looks() {
    let mut node = Node::new();
    node.says("a.yaml", &["p"]);
    node.looks(1);
    node.says("a.yaml", &["p", "q"]);
    node.looks(1);
    assert!(node.in_force().is_empty());
    node.looks(1);
    assert_eq!(node.in_force(), ["p", "q"]);
}

#[test]
fn a_policy_is_lifted_once_its_file_was_gone_at_three_looks_on_end() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::remove_file(node.file("a.yaml")).unwrap();
    assert_eq!(node.looks(2), []);
    node.says("a.yaml", &["p"]);
    assert_eq!(node.looks(1), []);
    fs::remove_file(node.file("a.yaml")).unwrap();
    assert_eq!(node.looks(2), []);
    assert_eq!(node.in_force(), ["p"]);
    let source = node.file("a.yaml").display().to_string();
    assert_eq!(node.looks(1), [Change::Removed("p".to_owned(), source)]);
    assert!(node.in_force().is_empty());
}

#[test]
fn what_a_file_says_no_more_is_lifted_and_the_rest_stays() {
    let mut node = in_force_with("a.yaml", &["p", "q"]);
    node.says("a.yaml", &["p"]);
    node.looks(5);
    assert_eq!(node.in_force(), ["p"]);
}

#[test]
fn a_file_that_is_renamed_leaves_no_gap() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::rename(node.file("a.yaml"), node.file("b.yaml")).unwrap();
    node.stay(&["p"]);
    assert_eq!(node.source("p"), node.file("b.yaml"));
    assert_eq!(node.store.refused().count(), 0);
}

#[test]
fn a_copy_takes_over_when_the_first_is_removed() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::copy(node.file("a.yaml"), node.file("b.yaml")).unwrap();
    node.stay(&["p"]);
    assert!(node.is_told(&node.file("b.yaml"), "p is in force already"));
    assert_eq!(node.looks(3), [], "it is told once");
    fs::remove_file(node.file("a.yaml")).unwrap();
    node.stay(&["p"]);
    assert_eq!(node.source("p"), node.file("b.yaml"));
    assert_eq!(node.store.refused().count(), 0);
}

#[test]
fn a_policy_that_moves_from_one_file_to_another_leaves_no_gap() {
    for (from, to) in [("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")] {
        let mut node = in_force_with(from, &["p", "q"]);
        node.says(to, &["q"]);
        node.says(from, &["p"]);
        node.stay(&["p", "q"]);
        assert_eq!((node.source("p"), node.source("q")), (&*node.file(from), &*node.file(to)));
        assert_eq!(node.store.refused().count(), 0);
    }
}

#[test]
fn nothing_is_lifted_while_another_file_may_say_it_and_cannot_be_understood() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::remove_file(node.file("a.yaml")).unwrap();
    fs::write(node.file("b.yaml"), "half of").unwrap();
    node.stay(&["p"]);
    assert!(node.is_told(&node.folder(), "p stays in force"));
    fs::remove_file(node.file("b.yaml")).unwrap();
    node.looks(1);
    assert!(node.in_force().is_empty());
    assert_eq!(node.store.refused().count(), 0);
}

#[test]
fn a_disk_that_is_not_mounted_lifts_nothing() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::rename(node.folder(), node.place.path().join("away")).unwrap();
    fs::create_dir(node.folder()).unwrap();
    node.stay(&["p"]);
    assert!(node.is_told(&node.folder(), "is another folder now"));
    node.says("b.yaml", &["q"]);
    node.stay(&["p"]);

    fs::remove_dir_all(node.folder()).unwrap();
    node.stay(&["p"]);
    assert!(node.is_told(&node.folder(), "No such file"));
    fs::rename(node.place.path().join("away"), node.folder()).unwrap();
    node.stay(&["p"]);
    assert_eq!(node.store.refused().count(), 0);
    fs::remove_file(node.file("a.yaml")).unwrap();
    node.looks(3);
    assert!(node.in_force().is_empty(), "in the folder that returned a removal is one");
}

#[test]
fn an_agent_that_is_restarted_goes_by_what_it_finds_but_an_empty_folder_says_nothing() {
    let mut node = in_force_with("a.yaml", &["p"]);
    fs::remove_file(node.file("a.yaml")).unwrap();
    node.restart();
    node.stay(&["p"]);
    assert!(node.is_told(&node.folder(), "is its disk mounted?"));
    node.says("b.yaml", &["q"]);
    node.looks(3);
    assert_eq!(node.in_force(), ["q"]);
    assert_eq!(node.store.refused().count(), 0);
}

#[test]
fn what_the_folder_says_no_more_can_be_lifted_and_replaced_by_hand() {
    let mut node = in_force_with("a.yaml", &["p", "q"]);
    assert!(node.store.remove("p").unwrap_err().contains("remove it there"));
    fs::remove_dir_all(node.folder()).unwrap();
    node.looks(1);
    node.store.remove("p").unwrap();
    let text = PolicyText { source: "mine.yaml".to_owned(), text: text(&["q"]) };
    node.store.apply(&text, None, Peer { uid: 0, pid: 1 }, moment(NOW, 0)).unwrap();
    assert_eq!((node.in_force(), node.source("q")), (vec!["q"], Path::new("mine.yaml")));
}

#[test]
fn what_cannot_be_kept_is_taken_once_it_can() {
    let mut node = Node::new();
    node.says("a.yaml", &["p"]);
    let in_the_way = node.place.path().join("state/policies.new");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(node.looks(5).len(), 1, "it is told once");
    assert!(node.is_told(&node.file("a.yaml"), "policies.json"));
    fs::remove_dir(&in_the_way).unwrap();
    node.looks(1);
    assert_eq!((node.in_force(), node.store.refused().count()), (vec!["p"], 0));
}

#[test]
fn what_cannot_be_understood_is_not_read_again_before_it_is_touched() {
    let mut node = Node::new();
    fs::write(node.file("a.yaml"), "half of").unwrap();
    assert_eq!(node.looks(5).len(), 1);
    assert_eq!(node.store.seen[&node.file("a.yaml")].reading, Reading::Wrong);
    node.says("a.yaml", &["p"]);
    node.looks(2);
    assert_eq!(node.in_force(), ["p"]);
}
