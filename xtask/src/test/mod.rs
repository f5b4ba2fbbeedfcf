//! `cargo xtask test`: lints, unit tests, scenarios on this machine, scenarios on every kernel of `tests/kernels.toml`.
//!
//! A stage that fails does not keep the others from running; the last line sums up what they counted.

mod scenarios;
mod tally;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::build::{self, kernel_cargo, user_cargo};
use crate::command::{visibly, watched};
use crate::kernels::Kernels;
use crate::places::Places;
use crate::run::require_root;
use crate::setup::{self, Need};
use tally::Tally;

/// What to run; everything by default.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this part
    #[arg(long)]
    only: Option<Stage>,
    /// Only this kernel of tests/kernels.toml; may be repeated
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Only scenarios whose name has this form
    #[arg(long, value_name = "GLOB")]
    scenario: Option<String>,
}

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Formatting and clippy
    Lint,
    /// What runs without a kernel of our own
    Unit,
    /// Scenarios with real containers on this machine
    Host,
    /// Scenarios in virtual machines
    Vm,
}

impl Stage {
    fn needs(self) -> &'static [Need] {
        match self {
            Self::Lint => &[Need::Build, Need::Lint],
            Self::Unit => &[Need::Build],
            Self::Host => &[Need::Build, Need::HostTests],
            Self::Vm => &[Need::Build, Need::Vm],
        }
    }

    fn runs_scenarios(self) -> bool {
        matches!(self, Self::Host | Self::Vm)
    }
}

/// Runs the chosen parts; an error if any of them failed.
pub(crate) fn run(places: &Places, options: &Options) -> Result<()> {
    let stages = match options.only {
        Some(stage) => vec![stage],
        None => Stage::value_variants().to_vec(),
    };
    let kernels = Kernels::read(places)?;
    kernels.chosen(&options.kernels)?;
    if stages.contains(&Stage::Host) {
        require_root("a scenario with real containers")?;
    }
    for stage in &stages {
        setup::ensure(places, stage.needs())?;
    }
    let plays = stages.iter().any(|stage| stage.runs_scenarios());
    if plays {
        build::next_version(places)?;
    }
    build::kernel_programs(places)?;
    if plays {
        build::user_space(places)?;
    }
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for stage in stages {
        match run_stage(stage, places, &kernels, options, &mut tally) {
            Ok(()) => {}
            Err(error) => {
                eprintln!("test: {error:#}");
                failures.push(format!("{stage:?}").to_lowercase());
            }
        }
    }
    println!("{tally}");
    ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
    Ok(())
}

/// Plays some scenarios on this machine and in a virtual machine on each kernel; an error if any failed.
pub(crate) fn scenarios_everywhere(places: &Places, glob: &str) -> Result<()> {
    for stage in [Stage::Host, Stage::Vm] {
        let scenario = Some(glob.to_owned());
        run(places, &Options { only: Some(stage), kernels: Vec::new(), scenario })?;
    }
    Ok(())
}

fn run_stage(
    stage: Stage,
    places: &Places,
    kernels: &Kernels,
    options: &Options,
    tally: &mut Tally,
) -> Result<()> {
    let scenario = options.scenario.as_deref();
    match stage {
        Stage::Lint => lint(places),
        Stage::Unit => unit(places, tally),
        Stage::Host => scenarios::on_this_machine(places, scenario, tally),
        Stage::Vm => scenarios::in_virtual_machines(
            places,
            kernels,
            &kernels.chosen(&options.kernels)?,
            scenario,
            tally,
        ),
    }
}

/// Everything but the kernel programs, which have a target of their own.
const USER_SPACE: [&str; 2] = ["--workspace", "--exclude=cofferdam-ebpf"];

const AS_ERRORS: [&str; 3] = ["--", "-D", "warnings"];

/// Checks everything before it complains, so that one round mends all.
fn lint(places: &Places) -> Result<()> {
    let mut format = build::cargo(places, "fmt");
    let format =
        visibly(format.args(["--all", "--check"]), "checking the format (`cargo fmt --all` mends it)");
    let mut user = user_cargo(places, "clippy");
    let user = visibly(user.args(USER_SPACE).arg("--all-targets").args(AS_ERRORS), "linting user space");
    let mut kernel = kernel_cargo(places, "clippy")?;
    let kernel = visibly(kernel.arg("--release").args(AS_ERRORS), "linting the kernel programs");
    format.and(user).and(kernel)
}

fn unit(places: &Places, tally: &mut Tally) -> Result<()> {
    let mut cargo = user_cargo(places, "test");
    cargo.args(USER_SPACE).arg("--no-fail-fast");
    let passed = watched(&mut cargo, "running the unit tests", |line| {
        if let Some(counted) = Tally::of_cargo_test(line) {
            *tally += counted;
        }
    })?;
    if !passed {
        bail!("unit tests failed");
    }
    Ok(())
}
