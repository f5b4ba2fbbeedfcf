//! systemd understands the unit that is shipped, and starts it before whoever starts containers.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::binary;
use crate::bench::unit::UNIT;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("life/systemd-unit", PerTier::SEEN, play).needing("systemd-analyze");

/// Where the unit expects the agent.
const INSTALLED: &str = "/usr/local/bin/cofferdamd";

fn play(stage: &Stage<'_>) -> Result<()> {
    ensure!(UNIT.contains(&format!("ExecStart={INSTALLED}\n")), "the unit does not start {INSTALLED}");
    let folder = stage.shared_folder("units")?;
    let unit = folder.join("cofferdamd.service");
    let agent = binary("cofferdamd")?;
    fs::write(&unit, UNIT.replace(INSTALLED, &agent.to_string_lossy()))
        .with_context(|| format!("writing {}", unit.display()))?;
    let mut verify = Command::new("systemd-analyze");
    let done = verify.arg("verify").arg(&unit).output().context("running systemd-analyze")?;
    let said = String::from_utf8_lossy(&done.stderr);
    // It also complains of units of the machine.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("cofferdamd")).collect();
    ensure!(done.status.success() && ours.is_empty(), "systemd-analyze ended with {}: {said}", done.status);
    let before: Vec<&str> = UNIT.lines().filter_map(|line| line.strip_prefix("Before=")).collect();
    for starter in ["docker.service", "containerd.service", "crio.service", "kubelet.service"] {
        let is_named = before.iter().any(|line| line.split(' ').any(|name| name == starter));
        ensure!(is_named, "{starter} may start before the rules are there");
    }
    Ok(())
}
