//! Several secrets of the configuration lie on one mount: a policy holds for each of them.

use anyhow::Result;
use nix::errno::Errno;

use crate::bench::Policy;
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/configured", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let vault = stage.vault();
    let spec = format!(
        "selector: {{ cgroup: \"/{}/configured/*\" }}\n\
         secrets: {{ id: vault, secret: \"vault/*\", readers: [ {{ binary: {SERVER} }} ] }}\n",
        stage.place().name()
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, "configured", &spec)?;
    let builder = stage.container().running(SERVER).in_cgroup("configured");
    let app = builder.with_folder(vault.folder(), "/data").start()?;
    policy.holds(&app, &["vault"])?;
    for secret in ["/data/secret-file", "/data/tree/deep/down/key"] {
        app.does("open", &[secret])?.went_through()?;
        app.runs(ACTOR, &["do", "open", secret])?.was_refused_with(Errno::EPERM)?;
    }
    app.runs(ACTOR, &["do", "open", "/data/public/file"])?.went_through()?;
    policy.lift()?;
    stage.nothing_fails_open()
}
