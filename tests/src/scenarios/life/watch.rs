//! Whoever watches sees an access while it happens.

use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::bench::answers::Answers;
use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("life/watch", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("watched-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let (socket, id) = (stage.agent()?.socket(), app.id().to_owned());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let words = [
            "--output",
            "jsonl",
            "watch",
            "--container",
            &id,
            "--secret",
            "volume/watched-creds",
            "--limit",
            "1",
        ];
        let _ = sender.send(Answers::of_agent(&socket).text(&words));
    });

    // What happened before somebody watched is not shown: it goes on until it is seen.
    let said = until("somebody who watches to see an access", || {
        app.child_does("open", &["/etc/creds/password"])?.went_through()?;
        match receiver.try_recv() {
            Ok(said) => said.map(Look::Found),
            Err(TryRecvError::Empty) => Ok(Look::NotYet("nothing was seen".to_owned())),
            Err(TryRecvError::Disconnected) => bail!("the watch ended without a word"),
        }
    })?;
    let rows = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).with_context(|| format!("reading {line}")));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let told =
        rows.iter().find(|row| row["event"] == "access").with_context(|| format!("no access in {said}"))?;
    let told = told.to_string();
    for wanted in [app.id(), "volume/watched-creds", "password", "/bin/actor"] {
        anyhow::ensure!(told.contains(wanted), "`{wanted}` is missing in {told}");
    }
    Ok(())
}
