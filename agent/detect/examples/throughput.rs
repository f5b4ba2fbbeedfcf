//! How many events a second one core looks at: `cargo run --release -p cofferdam-detect --example throughput`.

#[path = "../tests/kit/mod.rs"]
mod kit;

use std::time::Instant;

use cofferdam_model::BinaryOrigin;
use kit::{APP, LEARNT, Scene};

const ROUNDS: usize = 20_000;

fn main() {
    let mut scene = Scene::new();
    scene.until(LEARNT);
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/web", BinaryOrigin::Image);
    for round in 0..ROUNDS {
        // What an ordinary worker does: it begins, reads what it always reads, connects where it always does, ends.
        let worker = scene.runs(app, "/usr/bin/web", BinaryOrigin::Image);
        scene.opens(worker, "creds", "password");
        scene.opens(worker, "creds", &format!("key-{}", round % 8));
        for port in 0..6 {
            scene.connects(worker, "10.0.0.5", 5_432 + port);
        }
        scene.ends(worker);
    }
    let records = scene.records;
    let events = ROUNDS * 8;
    let mut engine = kit::engine();
    let begun = Instant::now();
    let mut found = 0;
    for batch in records.chunks(4_096) {
        found += engine.observe(batch).len();
    }
    let took = begun.elapsed();
    let each = took.as_secs_f64() / events as f64;
    println!(
        "{events} events in {} records, {found} detections: {:.0} events/s, {:.2} µs each, {} things remembered",
        records.len(),
        1.0 / each,
        each * 1e6,
        engine.size()
    );
}
