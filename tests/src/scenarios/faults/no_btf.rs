//! Where the kernel does not describe its types, the agent says what that costs and what to do, and starts nothing.

use anyhow::{Result, ensure};

use crate::bench::agent::{Lack, run_without};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/no-btf", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let (status, said) = run_without(stage.place(), Lack::Btf)?;
    ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    for words in ["/sys/kernel/btf/vmlinux", "kernel structures cannot be read", "CONFIG_DEBUG_INFO_BTF"] {
        ensure!(said.contains(words), "`{words}` is missing in: {said}");
    }
    Ok(())
}
