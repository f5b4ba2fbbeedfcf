//! `cofferdam`: asks the agent of this node, or a copied journal, and shows the answer.
//!
//! Changes nothing itself: it asks the agent to. Needs no rights but to open the agent's socket, and never sees a
//! secret's value.

#![forbid(unsafe_code)]

mod app;
mod args;
mod failure;
mod help;
mod host;
mod moment;
mod output;
mod policy_files;
#[cfg(test)]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the binary")]
mod samples;
mod screen;
mod show;
mod source;
mod table;
mod text;
mod timeline;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use cofferdam_model::WallTime;

use args::{Cli, Format};
use failure::Outcome;
use screen::Screen;
use text::BAD;

fn main() -> ExitCode {
    // Bad usage ends here with 2, help with 0.
    let cli = Cli::parse();
    let screen = Screen::of_stdout(cli.options.output == Format::Wide);
    let strict = cli.options.strict;
    let mut out = BufWriter::new(io::stdout().lock());
    let done = app::run(cli, WallTime::now(), screen, &mut out).and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    let outcome = match done {
        Ok(outcome) => {
            if outcome == Outcome::Incomplete && strict {
                complain("the answer is incomplete, and --strict was given");
            }
            outcome
        }
        Err(error) if failure::is_broken_pipe(&error) => Outcome::Done,
        Err(error) => {
            complain(&failure::explain(&error));
            failure::outcome(&error)
        }
    };
    ExitCode::from(outcome as u8)
}

fn complain(message: &str) {
    // Nothing can be done if even this cannot be written.
    let mut stderr = io::stderr().lock();
    let _ = if stderr.is_terminal() && screen::colour_allowed() {
        writeln!(stderr, "{BAD}error:{BAD:#} {message}")
    } else {
        writeln!(stderr, "error: {message}")
    };
}
