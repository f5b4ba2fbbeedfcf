//! Somebody who is refused a secret tries again, and again.

use anyhow::{Result, ensure};
use nix::errno::Errno;

use crate::bench::Policy;
use crate::bench::image::SERVER;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/denied-again-and-again", PerTier::SEEN, play).of_user_space();

const NAME: &str = "denied-again";
const AGAIN: &str = "denied-again-and-again";
const READER: &str = "unexpected-reader";

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("denied-creds", &["password"])?;
    let spec = format!(
        "selector: {{ cgroup: \"/{}/{NAME}/*\" }}\n\
         secrets: {{ id: ours, secret: denied-creds, readers: [ {{ binary: {SERVER} }} ] }}\n",
        stage.place().name(),
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &spec)?;
    let app = stage.container().running(SERVER).in_cgroup(NAME).with_secret(&creds, "/etc/creds").start()?;
    policy.holds(&app, &["ours"])?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.finds(&app, &[])?;

    let refused = || app.child_does("open", &["/etc/creds/password"])?.was_refused_with(Errno::EPERM);
    (0..4).try_for_each(|_| refused())?;
    // Each program that tries is one that is not expected.
    let found = stage.finds(&app, &[READER; 4])?;
    ensure!(found.iter().all(|row| !row.revoke), "nobody got it, and nothing is to be revoked: {found:?}");
    refused()?;
    let found = stage.finds(&app, &[AGAIN, READER, READER, READER, READER, READER])?;
    let tries = found.iter().find(|row| row.rule == AGAIN).map(|row| row.evidence.len());
    ensure!(tries == Some(5), "five tries are its evidence: {found:?}");
    Ok(())
}
