//! Attaches, prints what the hooks see for some seconds, and removes everything: `tap PIN_DIR SECONDS`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1);
    let pin_dir = PathBuf::from(args.next().unwrap_or_else(|| "/sys/fs/bpf/cofferdam-tap".to_owned()));
    let seconds = args.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let Some(root_cgroup) = cofferdam_sensor::probe::cgroup_v2_mount() else {
        eprintln!("no cgroup v2");
        return;
    };
    let config = cofferdam_sensor::Config {
        pin_dir: pin_dir.clone(),
        root_cgroup,
        budgets: cofferdam_sensor::Budgets { firsts: 1_000, beginnings: 10_000 },
    };
    match cofferdam_sensor::Sensor::start(&config) {
        Ok(mut sensor) => {
            println!("tier {}", sensor.tier.name());
            for hook in &sensor.hooks {
                println!("{:>16} {:<28} {:?}", hook.point.program, hook.point.to.describe(), hook.state);
            }
            for program in aya::programs::loaded_programs().flatten() {
                // What the verifier went through is what a start costs.
                let steps = program.verified_instruction_count().unwrap_or(0);
                println!("{:>16} {steps:>8} instructions verified", program.name_as_str().unwrap_or("?"));
            }
            println!("maps {} KiB", sensor.tables.bytes() / 1024);
            let until = Instant::now() + Duration::from_secs(seconds);
            let mut events = Vec::new();
            while Instant::now() < until {
                let _ = sensor.rings.wait(Duration::from_millis(100));
                sensor.rings.drain(1000, &mut events);
                for event in events.drain(..) {
                    println!("{event:?}");
                }
            }
            println!("{:?}", sensor.tables.counters());
        }
        Err(error) => eprintln!("{error}"),
    }
    if let Err(error) = cofferdam_sensor::unload(&pin_dir) {
        eprintln!("{error}");
    }
}
