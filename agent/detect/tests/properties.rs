//! What holds of the rules whatever comes: how records are put together does not matter, and what is remembered is bounded.

mod kit;

use std::time::Duration;

use cofferdam_detect::{Engine, Library, Limits};
use cofferdam_model::{BinaryOrigin, Record, Workload, WorkloadId};
use kit::{APP, Scene, scenes};
use proptest::prelude::*;

/// Every scene, one after the other, as if on nodes of their own whose events came in turn.
fn everything() -> Vec<Vec<Record>> {
    scenes::ALL.iter().flat_map(|(_, positive, negative)| [positive().records, negative().records]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_records_in_any_batches_give_the_same_detections(scene in 0..16usize, cuts in prop::collection::vec(0..64usize, 0..8)) {
        let records = everything().swap_remove(scene);
        let whole = kit::engine().observe(&records);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(records.len())).collect();
        cuts.extend([0, records.len()]);
        cuts.sort_unstable();
        let mut engine = kit::engine();
        let parts: Vec<_> = cuts.windows(2).flat_map(|cut| engine.observe(&records[cut[0]..cut[1]])).collect();
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn records_that_come_again_give_no_new_detection(scene in 0..16usize) {
        let records = everything().swap_remove(scene);
        let mut engine = kit::engine();
        engine.observe(&records);
        prop_assert_eq!(engine.observe(&records), []);
    }
}

fn small(programs: usize, groups: usize) -> Engine {
    let rules = Library::shipped().entries().iter().map(|it| it.rule.clone()).collect();
    Engine::new(rules, Limits { programs, groups, learning: Duration::from_secs(60) })
}

#[test]
fn whoever_makes_process_after_process_fills_neither_memory_nor_journal() {
    let mut engine = small(256, 64);
    let mut scene = Scene::new();
    let (mut found, mut sizes) = (0, Vec::new());
    for round in 0..20 {
        for number in 0..500 {
            let runc = scene.enters(APP, number % 3 == 0);
            let dropped = scene.runs(runc, "/tmp/x", BinaryOrigin::Written);
            scene.opens(dropped, "creds", &format!("key-{}", number % 50));
            scene.is_refused(dropped, "creds", "tls.key");
            if number % 2 == 0 {
                scene.ends(dropped);
            }
        }
        found += engine.observe(&std::mem::take(&mut scene.records)).len();
        sizes.push(engine.size());
        assert!(*sizes.last().unwrap() < 80_000, "round {round}: {sizes:?}");
    }
    assert!(found <= 8 * 16 * 2, "{found} were told of one workload within a few minutes");
    let withheld: u64 = engine.counters().map(|(_, it)| it.withheld).sum();
    assert!(withheld > 10_000, "{withheld}");
    assert!(engine.programs_forgotten() > 0);
}

#[test]
fn whoever_makes_workload_after_workload_fills_no_memory() {
    let mut engine = small(256, 64);
    let mut scene = Scene::new();
    let Some(Record::Workload(template)) =
        scene.records.iter().find(|it| matches!(it, Record::Workload(it) if it.id == APP)).cloned()
    else {
        panic!("the scene has no workload")
    };
    for number in 0..40_000 {
        let id = WorkloadId(10_000 + number);
        let pod = Some(format!("job-{number}-x"));
        scene.records.push(Record::Workload(Workload { id, pod, ..template.clone() }));
        let runc = scene.enters(id, false);
        scene.opens(runc, "creds", "password");
    }
    engine.observe(&scene.records);
    assert!(engine.workloads_forgotten() > 0 && engine.size() < 120_000, "{}", engine.size());
}

#[test]
fn a_program_that_another_has_taken_the_place_of_is_forgotten_in_time() {
    let mut engine = small(64, 64);
    let mut scene = Scene::new();
    // Each process executes twice, and ends: of the first program no end is told.
    for _ in 0..1_000 {
        let runc = scene.enters(APP, false);
        let shell = scene.executes(runc, "/bin/sh");
        let program = scene.executes(shell, "/bin/true");
        scene.ends(program);
        scene.after(5);
    }
    engine.observe(&scene.records);
    assert_eq!(engine.programs_forgotten(), 0, "there is room for what runs, and what ended a minute ago");
}
