//! `cofferdam-demo`: an honest container and one with a poisoned dependency, and what Cofferdam tells of both.

use std::process::ExitCode;

#[path = "../demo/mod.rs"]
mod demo;

fn main() -> ExitCode {
    match demo::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            demo::complain(&error);
            ExitCode::FAILURE
        }
    }
}
