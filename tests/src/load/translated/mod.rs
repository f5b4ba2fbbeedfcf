//! What the kernel made of our programs: the instructions, map lookups and helper calls of a miss, counted by walking
//! the path that it takes through the translated program.

mod walk;

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Agent, AgentOptions, Place};

use crate::bpf;
use crate::figures::{Figures, progress};
use walk::{Miss, walk};

/// Programs whose miss everyone pays, by the first 15 bytes of their names, and the argument that holds the verdict of
/// the LSMs before.
const PROGRAMS: &[(&str, u64)] = &[("file_open", 1), ("file_receive", 1), ("file_mmap", 4)];

/// Starts an agent and counts.
pub(crate) fn run() -> Result<()> {
    let figures = Figures { group: "translated" };
    progress("looking at the translated programs");
    let place = Place::new("cofferdam-load")?;
    let _agent = Agent::start(&place, &AgentOptions::default())?;
    let mut seen = 0;
    for program in bpf::programs()? {
        let name = program.name();
        let Some((_, verdict)) = PROGRAMS.iter().find(|(known, _)| *known == name) else { continue };
        let instructions = program.translated()?;
        let path = walk(&instructions, Miss { verdict: *verdict })
            .with_context(|| format!("following a miss through {name}"))?;
        figures.tell(&format!("{name}.size"), "instructions", instructions.len() as f64)?;
        figures.tell(&format!("{name}.miss"), "instructions", path.steps as f64)?;
        figures.tell(&format!("{name}.lookups"), "", path.lookups as f64)?;
        figures.tell(&format!("{name}.calls"), "", path.calls as f64)?;
        seen += 1;
    }
    if seen == 0 {
        figures.note("none", "no LSM program is loaded on this kernel")?;
    }
    Ok(())
}
