//! The scenarios: one program, run on this machine and in a virtual machine for each kernel.

use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::tally::Tally;
use crate::command::watched;
use crate::kernels::{Kernel, Kernels};
use crate::places::Places;
use crate::run::BIN_DIR;
use crate::vm::{self, Clock, Guest, Outcome};

/// The program that runs scenarios and closes with `N passed, N failed`.
const PROGRAM: &str = "cofferdam-scenarios";

/// How long all scenarios together may take on one kernel, this machine's or a guest's: against a machine that hangs.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Lets the scenarios find out what this machine's kernel can do, and expect just that.
const HOST_TIER: &str = "auto";

pub(super) fn on_this_machine(places: &Places, scenario: Option<&str>, tally: &mut Tally) -> Result<()> {
    let program = places.bin_dir().join(PROGRAM);
    println!("test: scenarios on this machine");
    let mut counted = None;
    let passed = watched(
        Command::new("timeout")
            .args(["--verbose", "--kill-after=10", &TIMEOUT.as_secs().to_string()])
            .arg(program)
            .args(arguments(HOST_TIER, scenario))
            .env(BIN_DIR, places.bin_dir()),
        "running the scenarios on this machine",
        |line| counted = Tally::of_scenarios(line).or(counted),
    )?;
    *tally += counted.context("the scenarios on this machine ended without a summary")?;
    ensure!(passed, "scenarios failed on this machine");
    Ok(())
}

fn arguments(tier: &str, scenario: Option<&str>) -> Vec<String> {
    let mut words = vec!["--tier", tier];
    words.extend(scenario.iter().flat_map(|glob| ["--scenario", *glob]));
    words.into_iter().map(str::to_owned).collect()
}

/// The scenarios of one kernel that one machine plays: the `number`th part of `all`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    number: usize,
    all: usize,
}

impl Part {
    /// All parts of a kernel's scenarios: as many as machines run at once, so that none idles while the last kernel is
    /// played; a chosen few are one part.
    fn all_of(scenario: Option<&str>, at_once: usize) -> Vec<Self> {
        let all = if scenario.is_some() { 1 } else { at_once };
        (1..=all).map(|number| Self { number, all }).collect()
    }

    /// What its machine is called.
    fn named(self, kernel: &Kernel) -> String {
        match self.all {
            1 => kernel.name.clone(),
            _ => format!("{}-{}of{}", kernel.name, self.number, self.all),
        }
    }
}

/// Runs as many machines at once as this one has room for.
pub(super) fn in_virtual_machines(
    places: &Places,
    all: &Kernels,
    chosen: &[&Kernel],
    scenario: Option<&str>,
    tally: &mut Tally,
) -> Result<()> {
    let at_once = vm::capacity().unwrap_or(1);
    let parts = Part::all_of(scenario, at_once);
    let tasks: Vec<_> = chosen.iter().flat_map(|kernel| parts.iter().map(|part| (*kernel, *part))).collect();
    let waiting = Mutex::new(tasks.iter());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.min(tasks.len()) {
            scope.spawn(|| {
                // Not in the loop's condition: the lock would be held while the machine runs.
                let next = || lock(&waiting).next();
                while let Some((kernel, part)) = next() {
                    let name = part.named(kernel);
                    println!("test: scenarios on {name} …");
                    let result = on_kernel(places, all, kernel, *part, scenario);
                    lock(&results).push((name, result));
                }
            });
        }
    });
    let mut failed = Vec::new();
    for (name, result) in results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        match result {
            Ok(counted) => {
                *tally += counted;
                if counted.failed > 0 {
                    failed.push(name);
                }
            }
            Err(error) => {
                eprintln!("test: {error:#}");
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "scenarios failed on {}", failed.join(", "));
    Ok(())
}

/// A thread that panicked has left nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn on_kernel(
    places: &Places,
    all: &Kernels,
    kernel: &Kernel,
    part: Part,
    scenario: Option<&str>,
) -> Result<Tally> {
    let mut command = vec![PROGRAM.to_owned()];
    command.extend(arguments(&kernel.tier, scenario));
    command.extend(["--part".to_owned(), format!("{}/{}", part.number, part.all)]);
    if scenario.is_none() && !kernel.user_space {
        command.push("--kernel-only".to_owned());
    }
    let (name, modules) = (part.named(kernel), all.modules.as_slice());
    let guest = Guest { name: name.clone(), kernel, modules, command, clock: Clock::Real, timeout: TIMEOUT };
    let outcome = guest.run(places)?;
    let counted = outcome.console.lines().rev().find_map(Tally::of_scenarios);
    let (took, log) = (outcome.took.as_secs(), outcome.log.display());
    match (outcome.exit, counted) {
        (Some(0), Some(counted)) => {
            println!("test: {name}: {counted}, in {took} s ({log})");
            Ok(counted)
        }
        (Some(_), Some(counted)) if counted.failed > 0 => {
            println!("{}\ntest: {name}: {counted}, in {took} s ({log})", interesting(&outcome));
            Ok(counted)
        }
        (Some(code), _) => {
            println!("{}", interesting(&outcome));
            bail!("{name}: the scenarios ended with {code} after {took} s ({log})")
        }
        (None, _) => {
            println!("{}", outcome.tail(CONTEXT_LINES));
            bail!("{name}: the machine stopped after {took} s without an exit code ({log})")
        }
    }
}

/// How much of a console is shown at most.
const CONTEXT_LINES: usize = 80;

/// What a person wants to see of a failed run: from its first complaint on.
fn interesting(outcome: &Outcome) -> String {
    let complaint = |line: &str| line.contains("FAILED") || line.contains("panicked at");
    let lines: Vec<&str> = outcome.console.lines().collect();
    match lines.iter().position(|line| complaint(line)) {
        Some(first) => lines[first..lines.len().min(first + CONTEXT_LINES)].join("\n"),
        None => outcome.tail(CONTEXT_LINES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_few_are_one_part_and_everything_is_shared_among_the_machines() {
        assert_eq!(Part::all_of(Some("files/*"), 2), [Part { number: 1, all: 1 }]);
        assert_eq!(Part::all_of(None, 2), [Part { number: 1, all: 2 }, Part { number: 2, all: 2 }]);
        assert_eq!(Part::all_of(None, 1), [Part { number: 1, all: 1 }]);
    }
}
