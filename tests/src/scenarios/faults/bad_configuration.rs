//! A configuration with a mistake is refused with its place; nothing is started.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::bench::agent::run_with_config;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/bad-configuration", PerTier::SEEN, play);

/// The text, the line of the mistake, and what the message must name.
const MISTAKES: &[(&str, u32, &str)] = &[
    ("node: { name: a }\nnodes: {}\n", 2, "nodes"),
    ("node:\n  name: a\n  clstr: b\n", 3, "clstr"),
    ("node: { name: a }\nsecrets: [\n  - name\n", 3, ""),
    ("node: { name: a }\nsecrets:\n  - name: x\n    path: /does/not/exist\n", 4, "/does/not/exist"),
    ("secrets:\n  - name: x\n    path: relative/path\n", 3, "relative/path"),
    ("node: { name: a }\njournal: { retain: soon }\n", 2, "retain"),
    ("journal: { max_size: 1 }\n", 1, "max_size"),
    ("environment: { names: [\"[\"] }\n", 1, "names"),
];

fn play(stage: &Stage<'_>) -> Result<()> {
    for (text, line, named) in MISTAKES {
        let config = stage.place().path("mistaken.yaml");
        fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
        let (status, said) = run_with_config(stage.place(), &config)?;
        ensure!(status.code() == Some(2), "{text:?} ended with {status}: {said}");
        let place = format!("{}:{line}", config.display());
        ensure!(
            said.contains(&place) && said.contains(named),
            "{text:?}: {place} or `{named}` is missing in: {said}"
        );
    }
    let (status, said) = run_with_config(stage.place(), &stage.place().path("no-such-file.yaml"))?;
    ensure!(status.code() == Some(2) && said.contains("no-such-file.yaml"), "it ended with {status}: {said}");
    Ok(())
}
