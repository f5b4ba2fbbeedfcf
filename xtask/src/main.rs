//! Everything that is done to Cofferdam's source: `cargo xtask setup | build | run | demo | test | bypass-table | bench |
//! vm`.
//!
//! Each command first makes the machine ready for what it needs, and says so.

mod bench;
mod build;
mod bypass;
mod command;
mod kernels;
mod machine;
mod places;
mod run;
mod setup;
mod stack;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use places::{Places, Profile};
use setup::Need;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make this machine ready; what is ready already is left alone
    Setup {
        /// What to make it ready for [default: everything]
        needs: Vec<Need>,
    },
    /// Build the kernel programs and the release binaries
    Build,
    /// Build, then run the agent in the foreground on this machine
    Run {
        /// Arguments for cofferdamd
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build, then watch a poisoned container at work, and ask what it did or what a policy kept it from
    Demo {
        /// What is shown
        #[arg(value_enum, default_value = "detection")]
        act: run::Act,
    },
    /// Lint, then run every test: without a kernel, on this machine, in virtual machines
    Test(test::Options),
    /// Build, play the techniques of attackers on this machine and on each kernel, then write their table
    BypassTable(bypass::Options),
    /// Build, then measure what the agent costs, and whether it counts right
    Bench(bench::Options),
    /// Build, then run a command in a virtual machine on each kernel of tests/kernels.toml
    Vm(vm::command::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    // What is tried is as it is used; only who measures or installs waits for the linker.
    let profile = match task {
        Task::Build | Task::Run { .. } | Task::Bench(_) => Profile::Release,
        Task::Setup { .. } | Task::Demo { .. } | Task::Test(_) | Task::BypassTable(_) | Task::Vm(_) => {
            Profile::Tested
        }
    };
    let places = Places::find(profile)?;
    match task {
        Task::Setup { needs } if needs.is_empty() => setup::run(&places, Need::value_variants()),
        Task::Setup { needs } => setup::run(&places, &needs),
        Task::Build => {
            setup::ensure(&places, &[Need::Build])?;
            build::everything(&places)
        }
        Task::Run { args } => run::agent(&places, &args),
        Task::Demo { act } => run::demo(&places, act),
        Task::Test(options) => test::run(&places, &options),
        Task::BypassTable(options) => bypass::run(&places, &options),
        Task::Bench(options) => bench::run(&places, &options),
        Task::Vm(options) => vm::command::run(&places, &options),
    }
}
