//! A journal that was copied from a running agent answers like the agent.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::bench::answers::Answers;
use crate::stage::{PerTier, Scenario, Stage, Went, access, listed};

pub(super) const SCENARIO: Scenario =
    Scenario::new("life/copied-journal", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("copied-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;

    let (journal, copy) = (stage.agent()?.state_dir().join("journal"), stage.place().path("copied-journal"));
    fs::create_dir(&copy).with_context(|| format!("creating {}", copy.display()))?;
    for file in fs::read_dir(&journal).with_context(|| format!("reading {}", journal.display()))? {
        let file = file.with_context(|| format!("reading {}", journal.display()))?;
        let to = copy.join(file.file_name());
        fs::copy(file.path(), &to).with_context(|| format!("copying {}", file.path().display()))?;
    }
    let online = stage.agent()?.asked(|answers| answers.accesses_of(app.id()))?;
    let mut offline = Answers::of_journal(&copy).accesses_of(app.id())?;
    ensure!(
        online.len() == offline.len(),
        "the agent says {}\nthe copy says {}",
        listed(&online),
        listed(&offline)
    );
    for (copied, row) in offline.iter_mut().zip(&online) {
        // The wall clock is compared anew with the kernel's each time; the ids tell that the events are the same.
        (copied.first, copied.last, copied.process_start) = (row.first, row.last, row.process_start);
    }
    ensure!(online == offline, "the agent says {}\nthe copy says {}", listed(&online), listed(&offline));
    fs::remove_dir_all(&copy).with_context(|| format!("removing {}", copy.display()))
}
