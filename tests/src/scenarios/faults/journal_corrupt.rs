//! The journal's file is damaged while no agent runs: it is set aside and not overwritten, everybody who asks is told,
//! and the agent goes on. What the kernel has counted stands in the new file, with what is read from now on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cofferdam_model::AccessRow;

use crate::bench::{Agent, AgentOptions};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("faults/journal-corrupt", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let creds = stage.watched_by(&agent).volume("outlasting-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let of_main = |times| access(&app).to(&creds, "password").by_main(&app).times(times);
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.watched_by(&agent).must_report(&app, &of_main(1))?;

    agent.kill()?;
    let journal = agent.state_dir().join("journal");
    let damaged = damage(&journal)?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    agent.start_again()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;

    let watched = stage.watched_by(&agent);
    watched.must_report(&app, &of_main(3))?;
    watched.must_report(&app, &access(&app).to(&creds, "password").by_child(&app))?;

    is_set_aside(&agent, &damaged)
}

/// The file with this content is set aside as it was, and everybody who asks is told.
pub(super) fn is_set_aside(agent: &Agent, damaged: &[u8]) -> Result<()> {
    agent.says("set a corrupt segment aside")?;
    let told = agent.asked(|answers| answers.status())?.journal.errors;
    let aside = files_of(&agent.state_dir().join("journal"), ".sqlite.corrupt-")?;
    ensure!(aside.len() == 1, "set aside are {aside:?}");
    let named = told.iter().any(|error| error.contains(&aside[0].display().to_string()));
    ensure!(named, "status does not name {}: {told:?}", aside[0].display());
    let kept = fs::read(&aside[0]).with_context(|| format!("reading {}", aside[0].display()))?;
    ensure!(kept == damaged, "what was set aside is not what was found");

    let answer = agent.asked(|answers| answers.answer::<AccessRow>(&["accesses"]))?;
    let reasons = answer.completeness.reasons.join("; ");
    ensure!(
        !answer.completeness.complete && reasons.contains("set aside as corrupt"),
        "the answer does not say what it lacks: {reasons}"
    );
    Ok(())
}

/// Overwrites the file that was written last, and its log, with what is no journal; returns what stands there now.
pub(super) fn damage(journal: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    for end in [".sqlite-wal", ".sqlite"] {
        let files = files_of(journal, end)?;
        let file = files.iter().rfind(|file| file.to_string_lossy().ends_with(end));
        let file = file.with_context(|| format!("no file *{end} in {}", journal.display()))?;
        let length = fs::metadata(file).with_context(|| format!("looking at {}", file.display()))?.len();
        content = vec![0xa5; usize::try_from(length).context("the length of a file")?];
        fs::write(file, &content).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(content)
}

/// Files whose names contain this, but for those that belong to another file, in their order.
fn files_of(folder: &Path, part: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let companion = ["-wal", "-shm"].iter().any(|end| name.ends_with(end) && !part.ends_with(end));
        if name.contains(part) && !companion {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
