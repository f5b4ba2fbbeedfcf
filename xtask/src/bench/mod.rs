//! `cargo xtask bench`: what the agent costs, and whether it counts right.
//!
//! One program puts the load on: without the agent, with it, without it again. In a virtual machine (lsm tier) guest
//! instructions are counted, which repeat to a tenth of a percent; on this machine (tracepoint tier) it is time.

mod catalogue;
mod figures;
mod record;
mod report;
mod runs;
mod table;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::build;
use crate::kernels::Kernels;
use crate::places::Places;
use crate::run::require_root;
use crate::setup::{self, Need};
use record::Machine;
use report::Report;
use runs::Run;

/// The kernel of the lsm tier, unless others are named.
const KERNEL: &str = "6.12";

/// What to measure; everything by default.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this part
    #[arg(long)]
    only: Option<Part>,
    /// On this kernel of tests/kernels.toml, in a virtual machine; may be repeated [default: 6.12]
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// A smoke test in minutes: little of everything
    #[arg(long)]
    quick: bool,
    /// Show the tables as Markdown
    #[arg(long)]
    markdown: bool,
    /// Fail if a bound is missed; bounds of time never fail
    #[arg(long)]
    check: bool,
    /// Take the binaries as they are
    #[arg(long)]
    no_build: bool,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// This machine: the tier that its kernel has
    Host,
    /// Virtual machines: the lsm tier
    Vm,
    /// The journal by itself
    Journal,
}

impl Part {
    fn needs(self) -> &'static [Need] {
        match self {
            Self::Host => &[Need::Build, Need::HostTests],
            Self::Vm => &[Need::Build, Need::Vm],
            Self::Journal => &[Need::Build],
        }
    }
}

/// Measures, shows tables and leaves a record.
pub(crate) fn run(places: &Places, options: &Options) -> Result<()> {
    let parts = match options.only {
        Some(part) => vec![part],
        None => Part::value_variants().to_vec(),
    };
    let kernels = Kernels::read(places)?;
    let names = if options.kernels.is_empty() { vec![KERNEL.to_owned()] } else { options.kernels.clone() };
    let chosen = kernels.chosen(&names)?;
    if parts.contains(&Part::Host) {
        require_root("the bench")?;
    }
    for part in &parts {
        setup::ensure(places, part.needs())?;
    }
    if !options.no_build {
        build::everything(places)?;
    }
    let machine = Machine::here(places)?;
    let when = record::now()?;
    let mut runs: Vec<Run> = Vec::new();
    for part in parts {
        match part {
            Part::Host => runs.push(runs::on_this_machine(places, options.quick)?),
            Part::Vm => {
                for kernel in &chosen {
                    runs.extend(runs::in_a_guest(places, &kernels, kernel, options.quick)?);
                }
            }
            Part::Journal => runs.push(runs::of_the_journal(places, options.quick)?),
        }
    }
    let report = Report::of(&runs);
    let path = record::write(places, &when, options.quick, &machine, &runs, &report.missed)?;
    show(&report, &machine, &when, options);
    println!("bench: everything that was measured: {}", path.display());
    ensure!(report.failed.is_empty(), "experiments failed: {}", report.failed.join("; "));
    ensure!(!options.check || report.missed.is_empty(), "bounds are missed: {}", report.missed.join("; "));
    Ok(())
}

fn show(report: &Report, machine: &Machine, when: &str, options: &Options) {
    let quick = if options.quick { " (quick: a smoke test)" } else { "" };
    if options.markdown {
        println!("\nMeasured {when}{quick} on {}.\n", machine.line());
        report.tables.iter().for_each(|table| println!("{}", table.markdown()));
    } else {
        println!("\nCofferdam's bench, {when}{quick}\n{}\n", machine.line());
        report.tables.iter().for_each(|table| println!("{}", table.text()));
    }
    for missed in &report.missed {
        println!("missed: {missed}");
    }
}
