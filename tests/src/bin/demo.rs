//! `cofferdam-demo`: containers with a poisoned dependency; what Cofferdam tells of it, and what it keeps it from.

use std::process::ExitCode;

use clap::Parser;

#[path = "../demo/mod.rs"]
mod demo;

/// Shows Cofferdam at work on real containers. Needs root; leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "cofferdam-demo")]
struct Options {
    /// What is shown
    #[arg(default_value = "detection")]
    act: demo::Act,
}

fn main() -> ExitCode {
    match demo::run(Options::parse().act) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            demo::complain(&error);
            ExitCode::FAILURE
        }
    }
}
