//! Running the load program: on this machine, in a virtual machine, and the journal's own bench.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::figures::{Figure, Figures, PROGRESS};
use crate::build::user_cargo;
use crate::command::{quietly, visibly};
use crate::kernels::{Kernel, KernelFiles, Kernels};
use crate::places::Places;
use crate::run::BIN_DIR;
use crate::setup::kernel_dir;
use crate::vm::{Clock, Guest};

const PROGRAM: &str = "cofferdam-load";

/// Lets the guest have file systems on block devices.
const MODULE: &str = "loop";

/// How long all experiments in one machine may take.
const TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// How often the console of a guest is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Where and how something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Method {
    /// Nanoseconds on this machine.
    Host,
    /// Instructions of a guest.
    Instructions,
    /// Nanoseconds of a guest: only ratios mean something.
    GuestTime,
    /// The journal by itself, on this machine.
    Journal,
}

/// Figures, and where they come from.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    pub(super) method: Method,
    pub(super) kernel: String,
    #[serde(flatten)]
    pub(super) told: Figures,
}

/// Everything on this machine.
pub(super) fn on_this_machine(places: &Places, quick: bool) -> Result<Run> {
    println!("bench: this machine");
    let mut command = Command::new(places.bin_dir().join(PROGRAM));
    command
        .arg("run")
        .args(quick.then_some("--quick"))
        .args(["cost", "rules", "repeats", "firsts", "latency", "footprint"])
        .env(BIN_DIR, places.bin_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {PROGRAM}"))?;
    let mut told = Figures::default();
    let output = child.stdout.take().context("the load program has no standard output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading what the load program tells")?;
        show(&line);
        told.take(&line);
    }
    let status = child.wait().context("waiting for the load program")?;
    ensure!(status.success() || !told.failures.is_empty(), "{PROGRAM} ended with {status}");
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("asking for the kernel's version")?;
    Ok(Run { method: Method::Host, kernel: kernel.trim().to_owned(), told })
}

/// Instructions, and then time, in a virtual machine.
pub(super) fn in_a_guest(places: &Places, all: &Kernels, kernel: &Kernel, quick: bool) -> Result<[Run; 2]> {
    let counted: &[&str] = &["--clock", "instructions", "cost", "rules", "translated"];
    let timed: &[&str] = &["--quick", "cost", "repeats", "firsts"];
    let quick = if quick { &["--quick"][..] } else { &[] };
    Ok([
        in_guest(places, all, kernel, Clock::Instructions, &[&["run"], quick, counted].concat())?,
        in_guest(places, all, kernel, Clock::Real, &[&["run"], timed].concat())?,
    ])
}

fn in_guest(places: &Places, all: &Kernels, kernel: &Kernel, clock: Clock, words: &[&str]) -> Result<Run> {
    let method = if clock == Clock::Instructions { Method::Instructions } else { Method::GuestTime };
    println!("bench: kernel {}, {}", kernel.name, if clock == Clock::Real { "time" } else { "instructions" });
    let mut command = vec![PROGRAM.to_owned()];
    command.extend(words.iter().map(|word| (*word).to_owned()));
    let mut modules = all.modules.clone();
    modules.push(MODULE.to_owned());
    let name = kernel.name.clone();
    let guest = Guest { name, kernel, modules: &modules, command, clock, timeout: TIMEOUT };
    let log = places.target.join("vm").join(format!("{}.log", kernel.name));
    if log.exists() {
        fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
    }
    let over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| follow(&log, &over));
        let outcome = guest.run(places);
        over.store(true, Ordering::Relaxed);
        outcome
    })?;
    let mut told = Figures::default();
    outcome.console.lines().for_each(|line| told.take(line));
    ensure!(
        outcome.exit == Some(0) || !told.failures.is_empty(),
        "{}: the load program ended with {:?} ({})\n{}",
        kernel.name,
        outcome.exit,
        outcome.log.display(),
        outcome.tail(20)
    );
    let files = KernelFiles::find(kernel, &kernel_dir(places, kernel))?;
    Ok(Run { method, kernel: files.version, told })
}

/// Shows a guest's progress while it runs.
fn follow(log: &Path, over: &AtomicBool) {
    let mut seen = 0;
    while !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        let Ok(bytes) = fs::read(log) else { continue };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole > seen {
            String::from_utf8_lossy(&bytes[seen..whole]).lines().for_each(|line| show(line.trim_end()));
            seen = whole;
        }
    }
}

fn show(line: &str) {
    if let Some(progress) = line.strip_prefix(PROGRESS) {
        println!("  {progress}");
    }
}

/// The journal with ten million rows.
pub(super) fn of_the_journal(places: &Places, quick: bool) -> Result<Run> {
    let rows = if quick { "500000" } else { "10000000" };
    println!("bench: a journal of {rows} rows");
    let mut cargo = user_cargo(places, "build");
    cargo.args(["--release", "--package", "cofferdam-journal", "--example", "ten_million"]);
    visibly(&mut cargo, "building the journal's bench")?;
    let dir = places.target.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let mut bench = Command::new(places.bin_dir().join("examples/ten_million"));
    let line = quietly(bench.args(["--rows", rows]).current_dir(&dir), "measuring the journal")?;
    let values: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&line).with_context(|| format!("understanding {line}"))?;
    let mut told = Figures::default();
    for (name, value) in values {
        if let Some(value) = value.as_f64() {
            let unit = if name.ends_with("_ms") { "ms" } else { "" };
            told.figures.push(Figure {
                group: "journal".to_owned(),
                name,
                unit: unit.to_owned(),
                value,
                without: Vec::new(),
            });
        }
    }
    Ok(Run { method: Method::Journal, kernel: String::new(), told })
}
