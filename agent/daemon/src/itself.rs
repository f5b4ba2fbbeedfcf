//! Where the agent itself runs.

use std::path::Path;

use anyhow::{Context, Result};
use cofferdam_inventory::procfs;

use crate::pipeline::Pipeline;

/// Tells the kernel in which cgroups the agent is now: workloads may not freeze it there.
///
/// # Errors
/// If that cannot be found out, or the kernel is not told.
pub fn tell_cgroups(pipeline: &mut Pipeline) -> Result<()> {
    let Some(hierarchy) = &pipeline.state.hierarchy else { return Ok(()) };
    let own = procfs::process(Path::new("/proc/self"), std::process::id());
    let path =
        own.and_then(|own| own.cgroup_path).context("cannot read /proc/self/cgroup; is /proc mounted?")?;
    let cgroups = hierarchy.upwards(&path);
    pipeline
        .tables
        .set_agent_cgroups(&cgroups)
        .context("cannot tell the kernel in which cgroups the agent is")
}
