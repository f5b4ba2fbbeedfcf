//! `cofferdam-load`: what `cargo xtask bench` runs on a kernel, this machine's or a guest's, to measure what the agent
//! costs and whether it counts right. Figures go to standard output, one a line, in JSON behind `bench: `.

#[path = "../load/bpf.rs"]
mod bpf;
#[path = "../load/clock.rs"]
mod clock;
#[path = "../load/compile.rs"]
mod compile;
#[path = "../load/cost.rs"]
mod cost;
#[path = "../load/crowd.rs"]
mod crowd;
#[path = "../load/exact.rs"]
mod exact;
#[path = "../load/figures.rs"]
mod figures;
#[path = "../load/files.rs"]
mod files;
#[path = "../load/footprint.rs"]
mod footprint;
#[path = "../load/host.rs"]
mod host;
#[path = "../load/latency.rs"]
mod latency;
#[path = "../load/ledger.rs"]
mod ledger;
#[path = "../load/measure.rs"]
mod measure;
#[path = "../load/opener.rs"]
mod opener;
#[path = "../load/ops/mod.rs"]
mod ops;
#[path = "../load/options.rs"]
mod options;
#[path = "../load/rules.rs"]
mod rules;
#[path = "../load/stats.rs"]
mod stats;
#[path = "../load/translated/mod.rs"]
mod translated;
#[path = "../load/worker.rs"]
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use opener::Opener;
use options::Options;

#[derive(Debug, Parser)]
#[command(name = "cofferdam-load", about = "Measures what the agent costs", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Does experiments, one after the other
    Run {
        #[command(flatten)]
        options: Options,
        /// Which
        #[arg(required = true)]
        experiments: Vec<Experiment>,
    },
    /// A process of a container that opens secrets
    #[command(hide = true)]
    Opener(Opener),
    /// The process that is measured
    #[command(hide = true)]
    Worker {
        /// The folder of the file systems
        files: PathBuf,
        /// A folder for what it needs
        scratch: PathBuf,
    },
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Experiment {
    /// Operations without the agent, with it, and without it again
    Cost,
    /// Many opens of the same secrets, the agent stopped in the middle
    Repeats,
    /// Many first accesses
    Firsts,
    /// Memory, with many workloads and secrets
    Footprint,
    /// How soon an access is told
    Latency,
    /// What rules cost, few and many
    Rules,
    /// What a miss costs, read in the translated programs
    Translated,
}

impl Experiment {
    fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Cost => cost::run(options),
            Self::Repeats => exact::repeats(options),
            Self::Firsts => exact::firsts(options),
            Self::Footprint => footprint::run(options),
            Self::Latency => latency::run(options),
            Self::Rules => rules::run(options),
            Self::Translated => translated::run(),
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything succeeded; an experiment that fails does not keep the others from being done.
fn run(task: Task) -> Result<bool> {
    match task {
        Task::Worker { files, scratch } => worker::work(&files, &scratch).map(|()| true),
        Task::Opener(opener) => opener.open().map(|()| true),
        Task::Run { options, experiments } => {
            let mut good = true;
            for experiment in experiments {
                if let Err(error) = experiment.run(&options) {
                    println!("load: {experiment:?} failed: {error:#}");
                    good = false;
                }
            }
            Ok(good)
        }
    }
}
