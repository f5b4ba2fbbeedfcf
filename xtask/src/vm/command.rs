//! `cargo xtask vm`: one command on kernels of the matrix, for a look at what they do.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use super::{Clock, Guest};
use crate::build;
use crate::kernels::Kernels;
use crate::places::Places;
use crate::setup::{self, Need};

/// What to run, and where.
#[derive(Args)]
pub(crate) struct Options {
    /// Only on this kernel of tests/kernels.toml; may be repeated
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Take the binaries as they are
    #[arg(long)]
    no_build: bool,
    /// Let one instruction take one nanosecond, so that times repeat
    #[arg(long)]
    count_instructions: bool,
    /// Stop the machine after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// A program of the guest (ours, busybox's, runc) and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command on each kernel in turn and shows the console; an error if it failed anywhere.
pub(crate) fn run(places: &Places, options: &Options) -> Result<()> {
    let all = Kernels::read(places)?;
    let chosen = all.chosen(&options.kernels)?;
    setup::ensure(places, &[Need::Build, Need::Vm])?;
    if !options.no_build {
        build::next_version(places)?;
        build::everything(places)?;
    }
    let clock = if options.count_instructions { Clock::Instructions } else { Clock::Real };
    let mut failed = Vec::new();
    for kernel in chosen {
        let guest = Guest {
            name: kernel.name.clone(),
            kernel,
            modules: &all.modules,
            command: options.command.clone(),
            clock,
            timeout: Duration::from_secs(options.timeout),
        };
        let outcome = guest.run(places)?;
        print!("{}", outcome.console);
        println!("vm: {} took {:.1} s ({})", kernel.name, outcome.took.as_secs_f32(), outcome.log.display());
        if outcome.exit != Some(0) {
            failed.push(kernel.name.as_str());
        }
    }
    ensure!(failed.is_empty(), "the command failed on {}", failed.join(", "));
    Ok(())
}
