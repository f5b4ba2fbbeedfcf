//! Nobody gets at the agent's memory: no core is dumped when it dies, and a container that sees the host's processes as
//! root can neither read its memory nor its environment nor trace it.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/not-dumpable", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let pid = agent.pid()?.to_string();
    let attacker = stage.container().with_processes_of_the_host().start()?;

    attacker.does("ptrace", &[&pid])?.was_refused_with(Errno::EPERM)?;
    attacker.does("open", &[&format!("/proc/{pid}/mem")])?.was_refused_with(Errno::EACCES)?;
    attacker.does("open", &[&format!("/proc/{pid}/environ")])?.was_refused_with(Errno::EACCES)?;

    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).context("reading the agent's limits")?;
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .context("no limit of cores")?;
    ensure!(core.split_whitespace().take(2).eq(["0", "0"]), "the limit of cores is {core}");
    let status = agent.crash()?;
    ensure!(!status.core_dumped(), "the agent dumped core");
    Ok(())
}
