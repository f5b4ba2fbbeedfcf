//! The rules that are shipped are understood, and each is about what its file is called.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cofferdam_detect::{Library, More, reference};

#[test]
fn every_shipped_rule_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/detections");
    let mut number = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for rule in cofferdam_detect::parse(&path, &text).unwrap_or_else(|refused| panic!("{refused}")) {
            let rule = rule.unwrap_or_else(|refused| panic!("{refused}"));
            assert_eq!(Some(rule.name.as_str()), path.file_stem().and_then(|it| it.to_str()));
            number += 1;
        }
    }
    assert_eq!(number, 8);
}

#[test]
fn every_rule_of_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/detections");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    let mut names: Vec<_> = files.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    names.sort_unstable();
    let library = Library::shipped();
    assert!(library.refusals().is_empty(), "{:?}", library.refusals());
    let built_in: Vec<_> = library.entries().iter().map(|it| it.rule.name.as_str()).collect();
    assert_eq!(built_in, names);
}

#[test]
fn a_rule_of_the_node_takes_the_place_of_a_built_in_one_and_of_no_other() {
    let text =
        include_str!("../../../profiles/detections/secret-sweep.yaml").replace("atLeast: 5", "atLeast: 50");
    let mut library = Library::shipped();
    library.add(Path::new("a.yaml"), &text);
    library.add(Path::new("b.yaml"), &text);
    let sweeps: Vec<_> = library.entries().iter().filter(|it| it.rule.name == "secret-sweep").collect();
    assert_eq!(sweeps.len(), 1);
    assert_eq!(sweeps[0].file.as_deref(), Some(Path::new("a.yaml")));
    assert!(matches!(sweeps[0].rule.more, More::Count { at_least: 50, .. }));
    let told: Vec<_> = library.refusals().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["b.yaml:5:19: metadata.name: secret-sweep is in a.yaml already: this one does not run"]
    );
}

#[test]
fn a_rule_may_tell_the_same_each_time_and_no_other_time_is_none() {
    let rule = |every: &str| {
        let text = format!(
            "apiVersion: cofferdam.dev/v1alpha1\nkind: DetectionRule\nmetadata: {{ name: each }}\nspec:\n  \
             title: Each\n  severity: info\n  technique: [ T1552 ]\n  on: access\n  when: \"true\"\n  every: {every}\n"
        );
        let mut library = Library::shipped();
        library.add(Path::new("each.yaml"), &text);
        library.entries().iter().find(|it| it.rule.name == "each").map(|it| it.rule.every)
    };
    assert_eq!(rule("0s"), Some(Duration::ZERO));
    assert_eq!(rule("1s"), Some(Duration::from_secs(1)));
    assert_eq!(rule("0m"), None);
}

#[test]
fn what_is_wrong_with_one_file_keeps_no_other_rule_from_running() {
    let mut library = Library::shipped();
    library.add(Path::new("a.yaml"), "kind: [");
    library
        .add(Path::new("b.yaml"), "apiVersion: cofferdam.dev/v1alpha1\nkind: DetectionRule\nsurprise: 1\n");
    assert_eq!(library.entries().len(), 8);
    let told: Vec<_> = library.refusals().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("a.yaml:1:") && told[1].starts_with("b.yaml:3:"), "{told:?}");
}

#[test]
fn the_reference_that_is_committed_is_that_of_the_rules() {
    assert!(
        include_str!("../../../profiles/detections/README.md") == reference(&Library::shipped()),
        "profiles/detections/README.md is old: `cargo run -p cofferdam-detect --example reference` writes it"
    );
}
