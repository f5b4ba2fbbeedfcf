//! A program in a container calls itself `runc` and names bundles on the host: one that would hold up whoever opens it,
//! one that declares somebody else's files to be secrets. The agent believes neither.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("attacks/impostor-runtime", PerTier::SEEN, play);

/// Lives long enough to be looked at.
const IMPOSTOR: &str = "#!/bin/sh\nsleep 0.5\n";

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("impostor-creds", &["password"])?;
    let bundles = stage.shared_folder("impostor-bundles")?;
    let (pipe, lie, victim) = (bundles.join("pipe"), bundles.join("lie"), bundles.join("victim"));
    for folder in [&pipe, &lie, &victim] {
        fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    mkfifo(&pipe.join("config.json"), Mode::from_bits_truncate(0o666)).context("making a pipe")?;
    let config = format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"/"}},"mounts":[{{"destination":"/run/secrets/lie","source":"{}"}}]}}"#,
        victim.display()
    );
    fs::write(lie.join("config.json"), config).context("writing a configuration")?;
    fs::write(victim.join("file"), "nobody's secret").context("writing a file")?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_writable(&bundles, "/bundles").start()?;

    app.does("write", &["/tmp/runc", "755", IMPOSTOR])?.went_through()?;
    for bundle in [&lie, &pipe] {
        let bundle = bundle.display().to_string();
        app.runs("/tmp/runc", &["run", "--bundle", &bundle, "impostor"])?.went_through()?;
    }
    app.does("open", &["/bundles/victim/file"])?.went_through()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;
    stage.says_nothing_of(&app, &access(&app).to_named("/run/secrets/lie", Some("file")))
}
