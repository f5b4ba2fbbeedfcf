//! The timeline of a container: the runtime enters, the main process begins, a child reads the secret and ends.

use anyhow::{Context, Result, ensure};
use cofferdam_model::{BinaryOrigin, ProcessRow};

use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, Went, access, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/process-tree", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("tree-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.runs("/bin/cat", &["/etc/creds/password"])?.went_through()?;
    let wanted =
        access(&app).to(&creds, "password").by_child(&app).by_binary("/bin/cat", BinaryOrigin::Image);
    stage.must_report(&app, &wanted)?;

    until("the child's end", || {
        let timeline = stage.agent()?.asked(|answers| answers.timeline_of(app.id()))?;
        let rows = &timeline.processes;
        let of = |binary: &str| rows.iter().find(|row| row.binary.as_deref() == Some(binary));
        let child = of("/bin/cat").with_context(|| format!("/bin/cat is missing: {}", listed(rows)))?;
        let main = of("/bin/actor").with_context(|| format!("/bin/actor is missing: {}", listed(rows)))?;
        ensure!(
            main.pid == app.pid() && !main.runtime && !main.adopted,
            "the main process is {}",
            listed(&[main])
        );
        ensure!(rows.iter().any(|row| row.runtime), "nobody has entered as the runtime: {}", listed(rows));
        ensure!(descends(child, main, rows), "/bin/cat does not descend from /bin/actor: {}", listed(rows));
        ensure!(timeline.accesses.len() == 1, "the accesses are {}", listed(&timeline.accesses));
        Ok(if child.ended.is_some() { Look::Found(()) } else { Look::NotYet("it has not ended".to_owned()) })
    })
}

fn descends(row: &ProcessRow, from: &ProcessRow, rows: &[ProcessRow]) -> bool {
    let parent = rows.iter().find(|other| row.parent.as_ref() == Some(&other.id));
    parent.is_some_and(|parent| parent.id == from.id || descends(parent, from, rows))
}
