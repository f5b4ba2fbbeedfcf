//! `cofferdam-demo`: an honest container and one with a poisoned dependency, and what Cofferdam tells of both.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
