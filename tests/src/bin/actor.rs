//! `actor`: what an application or an attacker does inside a container.
//!
//! `actor serve SOCKET` does what it is told over a socket; `actor do STEP ARGS…` takes one step and prints the reply.

use std::path::Path;
use std::process::ExitCode;

use cofferdam_tests::actor::{Hands, serve, step_names, take};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", socket] => match serve(Path::new(socket)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("actor: listening at {socket}: {error}");
                ExitCode::FAILURE
            }
        },
        ["do", step, args @ ..] => {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let reply = take(step, &args, &mut Hands::default());
            println!("{}", reply.to_line());
            if reply.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            let steps: Vec<&str> = step_names().collect();
            eprintln!("usage: actor serve SOCKET | actor do STEP ARGS…\nsteps: {}", steps.join(" "));
            ExitCode::from(2)
        }
    }
}
