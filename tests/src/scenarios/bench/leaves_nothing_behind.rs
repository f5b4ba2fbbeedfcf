//! What a scenario makes is there, works, and is gone when the scenario is over.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

use crate::bench::{Listener, Secret};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("bench/leaves-nothing-behind", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let (id, folder);
    {
        let creds = Secret::volume(stage.place(), "bench-creds", &["password"])?;
        let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
        let listener = Listener::tcp4()?;
        let read = app.does("open", &["/etc/creds/password"])?.went_through()?;
        ensure!(read == "47", "the secret has {read} bytes");
        app.does("open", &["/etc/creds/none"])?.was_refused_with(Errno::ENOENT)?;
        app.does("open", &["/etc/creds/password", "write"])?.was_refused_with(Errno::EROFS)?;
        app.does("connect-tcp", &[&listener.address().to_string()])?.went_through()?;
        app.runs("/bin/read-secret", &["/etc/creds/password"])?.went_through()?;
        let session = app.exec_session("open", &["/etc/creds/password"])?;
        session.reply.went_through()?;
        ensure!(session.pid != app.pid(), "the session is the main process");
        (id, folder) = (app.id().to_owned(), creds.folder().to_owned());
    }
    let known = Command::new("runc").args(["state", &id]).output().context("asking runc")?;
    ensure!(!known.status.success(), "runc still knows the container");
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading the mount table")?;
    for gone in [&id[..12], &folder.to_string_lossy()] {
        ensure!(!mounts.contains(gone), "something of {gone} is still mounted");
    }
    Ok(())
}
