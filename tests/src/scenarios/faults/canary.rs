//! What is in secrets, environments and arguments is found nowhere in what the agent leaves or says.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::bench::answers::Answers;
use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Container, Secret, Tap, until};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/canary", PerTier::SEEN, play).of_user_space();

const FORMATS: &[&str] = &["table", "wide", "json", "jsonl"];

/// What a process reads here has a secret's value in it.
const PATHS: &[&str] = &[
    "/etc/creds/password",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "/run/secrets/canary/password",
    "/data/file",
    "/proc/self/environ",
];

fn play(stage: &Stage<'_>) -> Result<()> {
    let configured = Secret::plain(stage.place(), "configured", &["file"])?;
    let secrets = vec![("canary/configured".to_owned(), configured.folder().to_owned())];
    let agent = stage.own_agent(&AgentOptions { secrets, talkative: true, ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("canary-creds", &["password"])?;
    let token = stage.token("canary-token")?;
    let plain = stage.plain_secret("canary", &["password"])?;
    // One value for what is not read as a file: an environment, and the arguments of a program.
    let said = Secret::plain(stage.place(), "said", &["value"])?;
    let value = said.values().next().context("there is no value")?;
    let app = stage
        .container()
        .with_secret(&creds, "/etc/creds")
        .with_secret(&token, "/var/run/secrets/kubernetes.io/serviceaccount")
        .with_secret(&plain, "/run/secrets/canary")
        .with_secret(&configured, "/data")
        .with_env("DB_PASSWORD", value)
        .start()?;

    for path in PATHS {
        app.does("open", &[path])?.went_through()?;
        app.exec_session("open", &[path])?.reply.went_through()?;
    }
    app.does("open-mmap", &["/etc/creds/password"])?.went_through()?;
    app.runs("/bin/echo", &[value])?.went_through()?;
    app.exec_session("run", &["/bin/echo", value])?.reply.went_through()?;
    stage.everything_has_arrived(&app)?;

    let canaries: Vec<&str> =
        [&configured, &creds, &token, &plain, &said].iter().flat_map(|secret| secret.values()).collect();
    ensure!(canaries.len() == 5, "there are {} canaries", canaries.len());
    let tap = Tap::new(stage.place().path("tap"), &agent.socket())?;
    let mut said = everything_said(&Answers::of_agent(tap.socket()), app.id())?;
    said.push(("watch".to_owned(), what_is_watched(&agent, &tap, &app)?));
    for (question, answer) in said {
        ensure!(!answer.is_empty(), "`{question}` says nothing");
        find_none(&canaries, answer.as_bytes(), &question)?;
    }
    let sent = tap.heard();
    for sent in &sent {
        find_none(&canaries, sent, "what goes over the agent's socket")?;
    }
    let heard = sent.iter().any(|sent| contains(sent, b"volume/canary-creds"));
    ensure!(heard, "what goes over the socket was not heard");
    for file in files_below(&agent.state_dir())?.into_iter().chain([agent.log(), agent.words()]) {
        let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        find_none(&canaries, &content, &file.display().to_string())?;
    }
    // The search itself works.
    let container = app.root().join("..").join("config.json");
    let content = fs::read(&container).with_context(|| format!("reading {}", container.display()))?;
    ensure!(find_none(&[value], &content, "config.json").is_err(), "the canary is not where it was put");
    Ok(())
}

fn everything_said(answers: &Answers<'_>, container: &str) -> Result<Vec<(String, String)>> {
    let mut said = Vec::new();
    for format in FORMATS {
        for words in [
            &["doctor"][..],
            &["status"],
            &["workloads"],
            &["secrets"],
            &["accesses"],
            &["connections"],
            &["detections"],
            &["detect", "record"],
            &["detect", "replay"],
            &["timeline", "--container", container],
        ] {
            let words: Vec<&str> = ["--output", format].iter().chain(words).copied().collect();
            said.push((words.join(" "), answers.text(&words)?));
        }
    }
    Ok(said)
}

/// Everything is read once more, while somebody watches.
fn what_is_watched(agent: &Agent, tap: &Tap, app: &Container) -> Result<String> {
    let limit = PATHS.len().to_string();
    let words = ["--output", "jsonl", "watch", "--container", app.id(), "--secret", "*", "--limit", &limit];
    thread::scope(|scope| {
        let watching = scope.spawn(|| Answers::of_agent(tap.socket()).text(&words));
        until("somebody to watch", || {
            let watchers = agent.asked(|answers| answers.status())?.watchers;
            Ok(if watchers > 0 { Look::Found(()) } else { Look::NotYet("nobody does".to_owned()) })
        })?;
        for path in PATHS {
            app.child_does("open", &[path])?.went_through()?;
        }
        watching.join().map_err(|_| anyhow!("the watch panicked"))?
    })
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        if path.is_dir() { found.extend(files_below(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// Also a part of a value is too much.
fn find_none(canaries: &[&str], content: &[u8], place: &str) -> Result<()> {
    for canary in canaries {
        let part = &canary.as_bytes()[canary.len() / 4..canary.len() / 2];
        if contains(content, part) {
            bail!("a secret's value stands in {place}");
        }
    }
    Ok(())
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}
