//! Where no cgroup v2 hierarchy can be seen, the agent says what that costs and what to do, and starts nothing.

use anyhow::{Result, ensure};

use crate::bench::agent::{Lack, run_without};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/no-cgroups", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let (status, said) = run_without(stage.place(), Lack::Cgroups)?;
    ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    for words in
        ["cgroup v2 is not mounted", "processes cannot be tied to workloads", "mount -t cgroup2 none"]
    {
        ensure!(said.contains(words), "`{words}` is missing in: {said}");
    }
    Ok(())
}
