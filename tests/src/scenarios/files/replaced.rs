//! A configured file is rotated by a rename, as most tools do it: the new file is watched soon, and that it was not at
//! once is said.

use std::fs;

use anyhow::{Context, Result, ensure};
use cofferdam_model::AccessRow;

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/replaced", PerTier::SEEN, play).of_user_space();

const NAME: &str = "payments/db-password";

fn play(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.shared_folder("rotated")?;
    let (file, new) = (folder.join("password"), folder.join(".password.new"));
    fs::write(&file, "the first").context("writing a secret")?;
    let secrets = vec![(NAME.to_owned(), file.clone())];
    let agent = stage.own_agent(&AgentOptions { secrets, ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let app = stage.container().with_writable(&folder, "/data").start()?;
    let to_secret = access(&app).to_named(NAME, None);

    app.does("open", &["/data/password"])?.went_through()?;
    stage.must_report(&app, &to_secret.clone().by_main(&app))?;
    let rows = || Ok::<_, anyhow::Error>(agent.asked(|answers| answers.accesses_of(app.id()))?.len());
    let before = rows()?;

    fs::write(&new, "the second").context("writing a secret")?;
    fs::rename(&new, &file).context("rotating a secret")?;
    until("the new file to be watched", || {
        app.does("open", &["/data/password"])?.went_through()?;
        let seen = rows()? > before;
        Ok(if seen { Look::Found(()) } else { Look::NotYet("its opens are not told".to_owned()) })
    })?;
    let completeness = agent.asked(|answers| answers.answer::<AccessRow>(&["accesses"]))?.completeness;
    ensure!(
        completeness.reasons.iter().any(|reason| reason.contains("unwatched")),
        "the answer does not say that the file was not watched for a time: {completeness:?}"
    );
    Ok(())
}
