//! How long after a secret was opened the access is told, and what a rule finds in it: to who watches, and in the journal.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_api::Event;
use cofferdam_journal::Reader;
use cofferdam_model::{Filter, WallTime};
use cofferdam_tests::bench::{Agent, AgentOptions, Place, binary};

use crate::crowd::{Container, Crowd, secrets};
use crate::figures::{Figures, progress};
use crate::ledger::SECRET;
use crate::opener::Opener;
use crate::options::Options;
use crate::stats::percentile;

/// Accesses in a second: a busy node's, not an attack.
const PER_SECOND: u32 = 100;

/// How often the journal is looked into.
const LOOK: Duration = Duration::from_millis(4);

/// How long the last access may take to appear.
const PATIENCE: Duration = Duration::from_secs(10);

/// Finds every access, however often.
const RULE: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: DetectionRule
metadata: { name: every-access }
spec:
  title: A secret was opened
  severity: info
  technique: [ T1552 ]
  on: access
  when: access.how == \"open\"
  by: process
  every: 0s
";

/// Latencies in ms.
type Latencies = Vec<f64>;

/// Measures, and tells the figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let figures = Figures { group: "latency" };
    let accesses = if options.quick { 500 } else { 3_000 };
    progress(&format!("{accesses} accesses, {PER_SECOND} in a second"));
    let place = Place::new("cofferdam-load")?;
    let folder = place.path("secrets");
    let _mounted = secrets(&folder, accesses)?;
    let configured = vec![(SECRET.to_owned(), folder.clone())];
    let rules = place.path("rules");
    fs::create_dir(&rules)
        .and_then(|()| fs::write(rules.join("every.yaml"), RULE))
        .context("writing a rule")?;
    let options = AgentOptions { secrets: configured, rules: Some(rules), ..AgentOptions::default() };
    let agent = Agent::start(&place, &options)?;
    let container = Container::make(&place, 0)?;
    let mut crowd = Crowd::start([Opener {
        cgroup: Some(container.cgroup.clone()),
        secrets: folder,
        first: 0,
        count: accesses,
        rounds: 1,
        per_second: Some(PER_SECOND),
    }])?;

    let mut watcher = watcher(&agent, &container.id)?;
    let journal = agent.state_dir().join("journal");
    let enough = AtomicBool::new(false);
    let (watched, journalled) = thread::scope(|scope| -> Result<(Watched, Latencies)> {
        let output = watcher.stdout.take().context("the watcher has no standard output")?;
        let watching = scope.spawn(|| watch(BufReader::new(output), accesses as usize));
        let looking = scope.spawn(|| look(&journal, &container.id, accesses as usize, &enough));
        crowd.begin()?;
        crowd.wait()?;
        let done = Instant::now();
        while !(watching.is_finished() && looking.is_finished()) && done.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
        enough.store(true, Ordering::Relaxed);
        // Ends the watch, if it still goes on.
        let _ = watcher.kill();
        Ok((joined(watching.join())?, joined(looking.join())?))
    })?;
    let _ = watcher.wait();
    crowd.end()?;
    tell(figures, "watch", &watched.accesses)?;
    tell(figures, "detected", &watched.detections)?;
    tell(figures, "journal", &journalled)?;
    figures.tell("made", "accesses", f64::from(accesses))
}

fn joined<T>(result: thread::Result<Result<T>>) -> Result<T> {
    result.map_err(|_| anyhow::anyhow!("a thread has panicked"))?
}

fn tell(figures: Figures, name: &str, latencies: &Latencies) -> Result<()> {
    for (what, percent) in [("p50", 50.0), ("p99", 99.0), ("max", 100.0)] {
        figures.tell(&format!("{name}.{what}"), "ms", percentile(latencies, percent))?;
    }
    figures.tell(&format!("{name}.seen"), "accesses", latencies.len() as f64)
}

/// `cofferdam watch`, as a user would start it; it watches when this returns.
fn watcher(agent: &Agent, container: &str) -> Result<Child> {
    let mut child = Command::new(binary("cofferdam")?)
        .arg("--socket")
        .arg(agent.socket())
        .args(["--output", "jsonl", "watch", "--container", container])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting `cofferdam watch`")?;
    let deadline = Instant::now() + PATIENCE;
    while agent.asked(|answers| answers.status())?.watchers == 0 {
        ensure!(child.try_wait()?.is_none(), "`cofferdam watch` has ended");
        if Instant::now() > deadline {
            progress("the agent tells of no watcher; going on all the same");
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(child)
}

/// The times from each access to its line, and to that of what was found in it.
#[derive(Default)]
struct Watched {
    accesses: Latencies,
    detections: Latencies,
}

fn watch(lines: impl BufRead, expected: usize) -> Result<Watched> {
    let mut watched = Watched::default();
    for line in lines.lines() {
        let Ok(line) = line else { break };
        let now = WallTime::now();
        match serde_json::from_str(&line) {
            Ok(Event::Access(row)) if row.count == 1 => {
                watched.accesses.push(milliseconds(row.first, now));
            }
            Ok(Event::Detection(row)) => watched.detections.push(milliseconds(row.at, now)),
            _ => {}
        }
        if watched.accesses.len() == expected && watched.detections.len() == expected {
            break;
        }
    }
    Ok(watched)
}

/// The time from each access to its row: at most the time between two looks too much.
fn look(journal: &Path, container: &str, expected: usize, enough: &AtomicBool) -> Result<Latencies> {
    let reader = Reader::open(journal)?;
    let mut known = HashSet::new();
    let mut latencies = Vec::new();
    let mut since = None;
    while latencies.len() < expected && !enough.load(Ordering::Relaxed) {
        let filter = Filter { container: Some(container.to_owned()), since, ..Filter::default() };
        let rows = reader.accesses(&filter)?.rows;
        let now = WallTime::now();
        for row in rows {
            if known.insert(row.id) {
                latencies.push(milliseconds(row.first, now));
                since = since.max(Some(row.first));
            }
        }
        thread::sleep(LOOK);
    }
    Ok(latencies)
}

fn milliseconds(from: WallTime, to: WallTime) -> f64 {
    (to.as_nanos() - from.as_nanos()) as f64 / 1e6
}
