//! A cgroup below a container's belongs to the container.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/nested-cgroup", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("nested-creds", &["password"])?;
    let cgroups = stage.cgroup_folder()?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_writable(&cgroups, "/cgroups").start()?;

    app.does("nest", &[&format!("/cgroups/{}/inner", app.id())])?.went_through()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).in_another_cgroup())?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_child(&app).in_another_cgroup())
}
