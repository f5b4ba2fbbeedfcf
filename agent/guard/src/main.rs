//! `cofferdam-guard`: holds back opens of secrets until the rules have spoken, on kernels that deny them no other way.

use std::path::PathBuf;
use std::process::ExitCode;

use cofferdam_guard::{DEFAULT_SOCKET, Guard, harden};

const USAGE: &str = "Usage: cofferdam-guard [--socket PATH]

Holds back opens of secrets until the rules have spoken. The agent starts it, on kernels that deny opens no other way;
it outlives the agent, and listens for the next one at PATH (default: /run/cofferdam/guard.sock).
`cofferdam unload` ends it.";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let socket = match (args.next(), args.next(), args.next()) {
        (None, ..) => PathBuf::from(DEFAULT_SOCKET),
        (Some(option), Some(path), None) if option == "--socket" => PathBuf::from(path),
        (Some(option), None, _) if option == "--help" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let hardened = match harden() {
        Ok(hardened) => hardened,
        Err(error) => {
            eprintln!("cofferdam-guard: cannot close its memory to others: {error}");
            return ExitCode::FAILURE;
        }
    };
    match Guard::new(&socket, hardened).and_then(|mut guard| guard.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-guard: {error}");
            ExitCode::FAILURE
        }
    }
}
