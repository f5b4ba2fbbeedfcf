//! An agent that is not started by root says what that costs and what to do, and starts nothing.

use anyhow::{Result, ensure};

use crate::bench::agent::{Lack, run_without};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/not-root", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let (status, said) = run_without(stage.place(), Lack::Root)?;
    ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    for words in ["running as uid 65534", "no kernel program can be loaded", "run as root"] {
        ensure!(said.contains(words), "`{words}` is missing in: {said}");
    }
    Ok(())
}
