//! `cofferdam-scenarios`: plays the scenarios on this machine's kernel and says how each went.

use std::env;
use std::mem::replace;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use cofferdam_api::Tier;
use cofferdam_tests::bench::interrupt;
use cofferdam_tests::stage::{Expected, Ledger, Scenario, Stage, Subject, Theatre};
use cofferdam_tests::{bypass, scenarios};
use globset::Glob;

/// Plays scenarios with real containers and a real agent on this machine's kernel. Needs root.
#[derive(Debug, Parser)]
#[command(name = "cofferdam-scenarios")]
struct Options {
    /// What this kernel lets the agent do; another tier is an error
    #[arg(long, value_name = "TIER", default_value = "auto")]
    tier: TierWanted,
    /// Only scenarios whose names fit, for example `files/*`
    #[arg(long, value_name = "GLOB", alias = "scenario")]
    only: Option<Glob>,
    /// Only the I-th of N parts of them, as even as they can be, from 1
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    part: Part,
    /// Only what depends on the kernel; user space alone is tried on another one
    #[arg(long)]
    kernel_only: bool,
    /// Name the scenarios and play none
    #[arg(long)]
    list: bool,
    /// How often what is denied is tried where it is tried again and again
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000)]
    attempts: u64,
    /// Write the table of techniques, as they are declared, and play none
    #[arg(long)]
    bypass_table: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TierWanted {
    /// Whatever it is
    Auto,
    /// BPF LSM programs
    Lsm,
    /// Tracepoints and cgroup programs alone
    Tracepoint,
}

/// A part of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    number: usize,
    all: usize,
}

impl Part {
    /// Every N-th, so that those that take long are shared out.
    fn of(self, scenarios: Vec<Scenario>) -> Vec<Scenario> {
        scenarios.into_iter().skip(self.number - 1).step_by(self.all).collect()
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(number, all)| Some((number.parse().ok()?, all.parse().ok()?)));
        match numbers {
            Some((number, all)) if (1..=all).contains(&number) => Ok(Self { number, all }),
            _ => Err("two numbers are wanted, as in 1/2".to_owned()),
        }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cofferdam-scenarios: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<usize> {
    if options.bypass_table {
        print!("{}", bypass::table());
        return Ok(0);
    }
    let (left, chosen): (Vec<_>, Vec<_>) = chosen(options.only.as_ref())
        .into_iter()
        .partition(|scenario| options.kernel_only && scenario.subject == Subject::UserSpace);
    let chosen = options.part.of(chosen);
    if options.list {
        chosen.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(0);
    }
    ensure!(!chosen.is_empty(), "no scenario has a name that fits; --list names them");
    interrupt::watch()?;
    let theatre = Theatre::open(options.attempts)?;
    let tier = tier(&theatre, options.tier)?;
    println!("{} scenarios on tier {}", chosen.len(), tier.as_str());
    if !left.is_empty() {
        let names: Vec<_> = left.iter().map(|scenario| scenario.name).collect();
        println!("left to another kernel, because they try user space alone: {}", names.join(" "));
    }
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    let mut ledger = Stage::new(&theatre, tier, Expected::Seen).ledger()?;
    for scenario in &chosen {
        if let Some(program) = scenario.needs.filter(|program| !is_installed(program)) {
            println!("skipped {} ({program} is not installed)", scenario.name);
            skipped += 1;
            continue;
        }
        let begun = Instant::now();
        let outcome = play(scenario, &theatre, tier, &mut ledger);
        let took = begun.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => {
                println!("ok      {} ({took:.1} s)", scenario.name);
                passed += 1;
            }
            Err(error) => {
                println!("FAILED  {} ({took:.1} s)\n        {error:#}", scenario.name);
                failed.push(scenario.name);
            }
        }
        interrupt::check()?;
    }
    let at_last = Stage::new(&theatre, tier, Expected::Seen).ledger_by_now()?.is_clean_since(&ledger, &[]);
    if let Err(error) = at_last {
        println!("FAILED  the last counters\n        {error:#}");
        failed.push("the last counters");
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(" "));
    }
    println!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    Ok(failed.len())
}

/// Plays one scenario; `ledger` is what the shared agent had counted before, and then what it has counted since. What it
/// reads too late to be told here is told by the next scenario, and never by none.
fn play(scenario: &Scenario, theatre: &Theatre, tier: Tier, ledger: &mut Ledger) -> Result<()> {
    let expected =
        scenario.expects.on(tier).with_context(|| format!("nothing is expected on tier {tier}"))?;
    let stage = Stage::new(theatre, tier, expected);
    let played = scenario.play(&stage);
    // What was expected of this scenario must not be left to the next one.
    let now = if scenario.counts.is_empty() { stage.ledger() } else { stage.ledger_by_now() }?;
    let before = replace(ledger, now);
    played?;
    ledger.is_clean_since(&before, scenario.counts).context("something was lost or went wrong meanwhile")
}

fn is_installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).exists())
}

fn chosen(only: Option<&Glob>) -> Vec<Scenario> {
    let fits = only.map(Glob::compile_matcher);
    let all = scenarios::ALL.iter().copied().flatten().copied();
    all.filter(|scenario| fits.as_ref().is_none_or(|fits| fits.is_match(scenario.name))).collect()
}

/// What works here must be what was asked for: a kernel that lets the agent see less has a fault of its own.
fn tier(theatre: &Theatre, wanted: TierWanted) -> Result<Tier> {
    let found = theatre.tier()?;
    let fits = match wanted {
        TierWanted::Auto => true,
        TierWanted::Lsm => found == Tier::Lsm,
        TierWanted::Tracepoint => found == Tier::Tracepoint,
    };
    if !fits {
        let doctor = theatre.agent()?.asked(|answers| answers.doctor())?;
        bail!("this kernel's tier is {found}, not the one asked for: {}", doctor.reasons.join("; "));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_in_one_part() {
        let all: Vec<Scenario> = scenarios::ALL.iter().copied().flatten().copied().collect();
        let of = |text: &str| text.parse::<Part>().unwrap().of(all.clone());
        let mut names: Vec<_> =
            of("1/2").into_iter().chain(of("2/2")).map(|scenario| scenario.name).collect();
        let mut expected: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(of("1/1").len(), all.len());
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        for text in ["0/2", "3/2", "1", "a/b", "0/0"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
