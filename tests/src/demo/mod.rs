//! The demo: real containers, a real agent, and its real answers, in two acts. Ends by itself, leaves nothing behind.
//!
//! Each act has its play, what happens in the containers; [`questions`] is how somebody asks the agent, [`telling`] how it
//! looks.

mod container;
mod containment;
mod detection;
mod image;
mod interrupt;
mod questions;
mod street;
mod telling;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;
use cofferdam_api::Doctor;
use cofferdam_tests::bench::{Agent, AgentOptions, Image, Place};
use nix::unistd::geteuid;

use street::Street;
use telling::Telling;

/// Names the folder and the cgroup of this run.
const PREFIX: &str = "cofferdam-demo";

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    /// What a poisoned dependency did, as the agent tells it
    Detection,
    /// What a policy keeps it from, also while the agent is dead
    Containment,
}

/// Where an act plays. What runs is dropped before the place that it lies in.
struct Scene {
    street: Street,
    agent: Agent,
    doctor: Doctor,
    image: Image,
    place: Place,
    telling: Telling,
}

/// Plays an act from the first line to the last.
///
/// # Errors
/// If anything does not go as told. Everything has been taken away by then.
pub fn run(act: Act) -> Result<()> {
    anyhow::ensure!(
        geteuid().is_root(),
        "the demo needs root: it loads kernel programs and starts containers"
    );
    interrupt::watch()?;
    let telling = Telling::on_stdout();
    telling.title(match act {
        Act::Detection => detection::TITLE,
        Act::Containment => containment::TITLE,
    })?;
    let mut scene = Scene::set(telling)?;
    match act {
        Act::Detection => detection::play(&scene)?,
        Act::Containment => containment::play(&mut scene)?,
    }
    scene.telling.end()
}

impl Scene {
    fn set(telling: Telling) -> Result<Self> {
        let place = Place::new(PREFIX)?;
        let image = Image::new(&place)?;
        image::add_application(&image)?;
        let begun = Instant::now();
        let agent = Agent::start(&place, &AgentOptions::default())?;
        let doctor = agent.asked(|answers| answers.doctor())?;
        let tier = doctor.tier.context("the agent says that no tier works here")?;
        let took = begun.elapsed().as_secs_f32();
        telling.step(&format!(
            "The agent starts. Kernel {}, tier `{tier}`, ready after {took:.1} s.",
            doctor.kernel
        ))?;
        Ok(Self { street: Street::open()?, agent, doctor, image, place, telling })
    }
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
