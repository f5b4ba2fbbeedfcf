//! What each shipped rule finds in a recording of what it is for, and that it finds nothing in one of what looks like it.

mod kit;

use std::collections::BTreeSet;

use cofferdam_model::{Access, BinaryOrigin, BootTime, Record};
use kit::scenes;

/// The rules that find something in a recording.
fn found(name: &str) -> BTreeSet<String> {
    kit::engine().observe(&kit::recorded(name)).into_iter().map(|it| it.rule).collect()
}

#[test]
fn every_rule_finds_what_it_is_for() {
    for (rule, ..) in scenes::ALL {
        let all = found(&format!("{rule}.positive"));
        assert!(all.contains(rule), "{rule} has not found it, but {all:?} have");
    }
}

#[test]
fn no_rule_finds_anything_in_what_is_honest() {
    for (rule, ..) in scenes::ALL {
        let mut all = found(&format!("{rule}.negative"));
        if rule == "denied-again-and-again" {
            assert!(
                all.remove("unexpected-reader"),
                "each of what was refused is a reader that a policy forbids"
            );
        }
        assert!(all.is_empty(), "{rule}: {all:?}");
    }
}

#[test]
fn a_detection_names_its_evidence_and_what_has_decided() {
    let records = kit::recorded("read-then-new-destination.positive");
    let all = kit::engine().observe(&records);
    let found = all.iter().find(|it| it.rule == "read-then-new-destination").unwrap();
    assert_eq!(found.evidence.len(), 2);
    assert_eq!(found.evidence.last(), Some(&found.event));
    assert_eq!(found.secret.as_ref().unwrap().key.as_deref(), Some("password"));
    let told: BTreeSet<_> = found.told.iter().map(|it| (it.field.as_str(), it.value.as_str())).collect();
    for decided in [("access.how", "open"), ("workload.learnt", "true"), ("destination.usual", "false")] {
        assert!(told.contains(&decided), "{decided:?} is not in {told:?}");
    }
}

#[test]
fn what_was_denied_was_not_stolen_and_is_not_to_be_revoked() {
    let revoked = |name: &str| {
        let all = kit::engine().observe(&kit::recorded(name));
        let of_readers = all.iter().filter(|it| it.rule == "unexpected-reader");
        of_readers.map(|it| it.response.revoke).collect::<BTreeSet<_>>()
    };
    assert_eq!(revoked("unexpected-reader.positive"), [true].into());
    assert_eq!(revoked("denied-again-and-again.positive"), [false].into());
}

/// A process that tries again and again is one event, whose total grows.
#[test]
fn what_is_denied_again_is_counted_although_it_is_one_event() {
    let mut scene = kit::Scene::new();
    let runc = scene.enters(kit::APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    scene.is_refused(app, "creds", "tls.key");
    let Some(Record::Access(first)) = scene.records.last().cloned() else { panic!("it was refused") };
    let again = |total: u64, seconds: u64| {
        let last = BootTime::from_nanos(first.first.as_nanos() + seconds * 1_000_000_000);
        Record::Access(Access { total, last, ..first.clone() })
    };
    let repeated = |more: &[Record]| {
        let mut engine = kit::engine();
        let mut all = engine.observe(&scene.records);
        all.extend(engine.observe(more));
        all.iter().filter(|it| it.rule == "denied-again-and-again").count()
    };
    assert_eq!(repeated(&[again(3, 1), again(4, 2)]), 0);
    assert_eq!(repeated(&[again(3, 1), again(5, 2)]), 1);
    assert_eq!(repeated(&[again(3, 100), again(5, 200)]), 0, "slowly");
    // An agent that was started in between is told all of it at once.
    let counted_for_days = [again(5_000, 90_000)];
    let records: Vec<Record> =
        scene.records[..scene.records.len() - 1].iter().chain(&counted_for_days).cloned().collect();
    let all = kit::engine().observe(&records);
    assert!(all.iter().all(|it| it.rule != "denied-again-and-again"));
}

/// Habits are learnt from a workload's appearance on, not from the first that it does.
#[test]
fn the_first_read_of_a_workload_that_ran_for_hours_is_unexpected() {
    let mut scene = kit::Scene::new();
    let proxy = scene.enters(kit::SIDECAR, false);
    let proxy = scene.runs(proxy, "/usr/bin/envoy", BinaryOrigin::Image);
    scene.until(kit::LEARNT);
    let shell = scene.runs(proxy, "/bin/busybox", BinaryOrigin::Image);
    scene.opens(shell, "creds", "password");
    let all = kit::engine().observe(&scene.records);
    assert_eq!(all.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["unexpected-reader"]);
}

/// Writes the recordings anew from the scenes.
#[test]
#[ignore = "writes into the source tree"]
fn record() {
    let write = |name: String, scene: kit::Scene| {
        let lines = scene.records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n");
        std::fs::write(kit::recording(&name), lines.collect::<String>()).unwrap();
    };
    for (rule, positive, negative) in scenes::ALL {
        write(format!("{rule}.positive"), positive());
        write(format!("{rule}.negative"), negative());
    }
}
