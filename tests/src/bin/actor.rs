//! `actor`: what an application or an attacker does inside a container.
//!
//! `actor serve SOCKET` does what it is told over a socket; `actor do STEP ARGS…` takes one step and prints the reply;
//! `actor script FILE` is an interpreter that takes the steps of a script, one a line.

use std::path::Path;
use std::process::ExitCode;

use cofferdam_tests::actor::{Hands, Reply, serve, step_names, take};

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
            tell(&reply)
        }
        ["script", file] => match script(Path::new(file)) {
            Ok(args) => tell(&take("sequence", &args, &mut Hands::default())),
            Err(error) => {
                eprintln!("actor: reading {file}: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            let steps: Vec<&str> = step_names().collect();
            eprintln!(
                "usage: actor serve SOCKET | actor do STEP ARGS… | actor script FILE\nsteps: {}",
                steps.join(" ")
            );
            ExitCode::from(2)
        }
    }
}

fn tell(reply: &Reply) -> ExitCode {
    println!("{}", reply.to_line());
    if reply.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The steps of a script as a sequence; its first line names the interpreter.
fn script(file: &Path) -> std::io::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<String> = text.lines().skip(1).map(|line| line.replace(' ', "\n")).collect();
    Ok(lines.join("\n--\n").lines().map(str::to_owned).collect())
}
