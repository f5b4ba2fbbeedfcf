//! One round after the other through all operations, in the state that the machine is in right now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::clock::Reading;
use crate::files::{
    BESIDE_FILE, BESIDE_TREE, DEEP, DISK, DISK_BESIDE_TREE, ORDINARY, PLAIN, SECRET, SECRET_FILE,
    SECRET_IN_TREE,
};
use crate::ops::{AnySystemCall, Connect, ForkExec, OpenClose, Operation, Send};
use crate::stats::middle;

/// What one operation costs, ns (instructions, where they are counted).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// What the caller and its children pay.
    pub(crate) own: f64,
    /// What passes meanwhile.
    pub(crate) wall: f64,
}

/// Costs by name of the operation.
pub(crate) type Costs = BTreeMap<String, Cost>;

/// One cost for several of the same operation: each clock's, as `choose` finds it among the readings.
pub(crate) fn combined(samples: &[Costs], choose: fn(&[f64]) -> f64) -> Costs {
    let names: BTreeSet<&String> = samples.iter().flat_map(Costs::keys).collect();
    let cost = |name: &String| {
        let costs: Vec<&Cost> = samples.iter().filter_map(|costs| costs.get(name)).collect();
        let each = |of: fn(&Cost) -> f64| choose(&costs.iter().map(|cost| of(cost)).collect::<Vec<_>>());
        Cost { own: each(|cost| cost.own), wall: each(|cost| cost.wall) }
    };
    names.into_iter().map(|name| (name.clone(), cost(name))).collect()
}

/// Files that are opened and closed: the operation's name, file system, file.
const OPENS: &[(&str, &str, &str)] = &[
    ("open", PLAIN, ORDINARY),
    ("open_deep", PLAIN, DEEP),
    ("open_beside_file", BESIDE_FILE, ORDINARY),
    ("open_beside_tree", BESIDE_TREE, ORDINARY),
    ("open_beside_tree_deep", BESIDE_TREE, DEEP),
    ("open_disk", DISK, ORDINARY),
    ("open_disk_beside_tree", DISK_BESIDE_TREE, ORDINARY),
    ("open_disk_beside_tree_deep", DISK_BESIDE_TREE, DEEP),
    ("open_secret", SECRET, ORDINARY),
    ("open_secret_file", BESIDE_FILE, SECRET_FILE),
    ("open_secret_in_tree", BESIDE_TREE, SECRET_IN_TREE),
];

/// A file of procfs that is no secret: every `ps` opens hundreds.
const OF_PROC: &str = "/proc/self/stat";

struct Measured {
    name: &'static str,
    operation: Box<dyn Operation>,
    /// Repetitions in a round.
    times: u32,
    readings: Vec<Reading>,
}

/// The operations, ready to be measured again and again.
pub(crate) struct Operations(Vec<Measured>);

impl Operations {
    /// On the file systems in `folder`; `scratch` takes an executable.
    pub(crate) fn on(folder: &Path, scratch: &Path) -> Result<Self> {
        let mut all = Self(Vec::new());
        for (name, file_system, file) in OPENS {
            all.add(name, OpenClose::of(&folder.join(file_system).join(file))?, 1_000);
        }
        all.add("syscall", AnySystemCall, 3_000);
        all.add("open_proc", OpenClose::of(Path::new(OF_PROC))?, 1_000);
        all.add("connect", Connect::new()?, 100);
        all.add("send", Send::new()?, 300);
        all.add("fork_exec", ForkExec::of_true(scratch)?, 40);
        all.add("fork_exec_nothing", ForkExec::of_nothing(scratch)?, 40);
        Ok(all)
    }

    fn add(&mut self, name: &'static str, operation: impl Operation + 'static, times: u32) {
        self.0.push(Measured { name, operation: Box::new(operation), times, readings: Vec::new() });
    }

    /// Measures them all in so many rounds; the means of the middle ones.
    pub(crate) fn measure(&mut self, rounds: u32) -> Result<Costs> {
        for measured in &mut self.0 {
            measured.readings.clear();
        }
        // The first round warms caches up, and the agent then knows whom it counts.
        for round in 0..=rounds {
            for measured in &mut self.0 {
                let reading = measured.round()?;
                if round > 0 {
                    measured.readings.push(reading);
                }
            }
        }
        Ok(self.0.iter().map(|measured| (measured.name.to_owned(), measured.cost())).collect())
    }
}

impl Measured {
    fn round(&mut self) -> Result<Reading> {
        let before = Reading::now()?;
        self.operation.run(self.times).with_context(|| format!("measuring {}", self.name))?;
        let passed = Reading::now()? - before;
        self.operation.settle().with_context(|| format!("tidying up after {}", self.name))?;
        Ok(passed)
    }

    fn cost(&self) -> Cost {
        let per_operation = |of: fn(&Reading) -> u64| {
            let each = |reading| of(reading) as f64 / f64::from(self.times);
            middle(&self.readings.iter().map(each).collect::<Vec<_>>())
        };
        Cost { own: per_operation(|reading| reading.own), wall: per_operation(|reading| reading.wall) }
    }
}
