//! The demo: two real containers, a real agent, and its real answers. Ends by itself and leaves nothing behind.
//!
//! [`play`] is what happens in the containers, [`questions`] what is asked afterwards; [`telling`] is how it looks.

mod container;
mod image;
mod interrupt;
mod play;
mod questions;
mod street;
mod telling;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Agent, AgentOptions, Image, Place};
use nix::unistd::geteuid;

use telling::Telling;

/// Names the folder and the cgroup of this run.
const PREFIX: &str = "cofferdam-demo";

/// Plays it from the first line to the last.
///
/// # Errors
/// If anything does not go as told. Everything has been taken away by then.
pub fn run() -> Result<()> {
    anyhow::ensure!(
        geteuid().is_root(),
        "the demo needs root: it loads kernel programs and starts containers"
    );
    interrupt::watch()?;
    let telling = Telling::on_stdout();
    telling.title("Cofferdam: two containers, one of them with a poisoned dependency.")?;

    // Dropped from the last to the first: what runs in the place before the place itself.
    let place = Place::new(PREFIX)?;
    let base = Image::new(&place)?;
    image::add_application(&base)?;
    let begun = Instant::now();
    let agent = Agent::start(&place, &AgentOptions::default())?;
    let doctor = agent.asked(|answers| answers.doctor())?;
    let tier = doctor.tier.context("the agent says that no tier works here")?;
    let took = begun.elapsed().as_secs_f32();
    telling.step(&format!(
        "The agent starts. Kernel {}, tier `{tier}`, ready after {took:.1} s.",
        doctor.kernel
    ))?;

    let street = street::Street::open()?;
    let honest = play::honest(&telling, &place, &base, &street)?;
    let poisoned = play::poisoned(&telling, &place, &base, &street)?;
    questions::wait_for_the_last(&agent)?;
    questions::ask(&telling, &agent)?;
    questions::what_to_see(&telling, &doctor, poisoned.thief())?;
    drop((honest, poisoned));
    telling.end()
}

/// Says why the demo did not end as it should.
pub fn complain(error: &anyhow::Error) {
    // A reader that has seen enough is no failure to be told, and there may be nobody left to tell it to.
    let gone = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if gone.map(std::io::Error::kind).any(|kind| kind == std::io::ErrorKind::BrokenPipe) {
        return;
    }
    let _ = writeln!(std::io::stderr(), "cofferdam-demo: {error:#}");
}
