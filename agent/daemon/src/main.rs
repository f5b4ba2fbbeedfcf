//! `cofferdamd`: the privileged node agent. Composition and configuration only.

#![forbid(unsafe_code)]

mod adopt;
mod agent;
mod backend;
mod backlog;
mod bundle;
#[cfg(test)]
mod command_lines;
mod config;
mod containment;
mod counts;
mod detections;
mod door;
mod facts;
mod host;
mod itself;
mod live;
mod losses;
mod naming;
mod pipeline;
mod secrets;
mod state;
mod status;
mod threads;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use config::Config;
use tracing_subscriber::EnvFilter;

/// Exit codes, the same as the command line's.
const FAILED: u8 = 1;
const BAD_CONFIGURATION: u8 = 2;
/// `cofferdam unload` was asked for: a service manager must not put back what somebody has lifted.
const UNLOADED: u8 = 4;

/// Watches this node's containers, and enforces who may read which secret and where it may travel.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  cofferdamd --config /etc/cofferdam/cofferdamd.yaml\n  cofferdamd --unload      detach everything and remove the pins\n\nIt prints `ready` when every hook is attached, what runs is known and the policies are in force.\nAfter `cofferdam unload` it ends with 4."
)]
pub struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/cofferdamd.yaml")]
    config: PathBuf,
    /// Where the journal lies
    #[arg(long, value_name = "DIR", default_value = "/var/lib/cofferdam")]
    state_dir: PathBuf,
    /// Where the agent answers
    #[arg(long, value_name = "PATH", default_value = cofferdam_api::DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Where kernel programs and tables are pinned, so that they outlive the agent
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/cofferdam")]
    pin_dir: PathBuf,
    /// Where policies lie; files that change are read again
    #[arg(long, value_name = "DIR", default_value = "/etc/cofferdam/policies")]
    policy_dir: PathBuf,
    /// Detach all hooks, end the guard, remove the pins, and exit: every rule is lifted
    #[arg(long)]
    unload: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("COFFERDAM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    if args.unload {
        let guard = containment::guarding::end(&args.socket).context("cannot end the guard");
        return done(cofferdam_sensor::unload(&args.pin_dir).context("cannot unload").and(guard));
    }
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cofferdamd: {error}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match agent::run(&args, config) {
        Ok(agent::End::Unloaded) => ExitCode::from(UNLOADED),
        ended => done(ended.map(drop)),
    }
}

fn done(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdamd: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
