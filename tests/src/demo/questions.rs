//! What is asked when it has happened: the commands as a user types them, and their own output.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cofferdam_api::{Doctor, HookState};
use cofferdam_model::ConnectionRow;
use cofferdam_tests::bench::wait::Look;
use cofferdam_tests::bench::{Agent, binary, until};

use super::image::COLLECTOR;
use super::interrupt;
use super::play::{DEPS, VARIABLE, WEB};
use super::telling::Telling;

/// The commands.
const QUESTIONS: &[&[&str]] = &[
    &["secrets", "--workload", "container:shop-*"],
    &["accesses", "--workload", "container:shop-*"],
    &["timeline", "--workload", "container:shop-*"],
];

/// Waits until the agent has recorded the last thing that happened; what came before it is there by then.
pub(super) fn wait_for_the_last(agent: &Agent) -> Result<()> {
    until("the agent to record the last connection", || {
        let words = ["connections", "--workload", "container:shop-deps", "--binary", COLLECTOR];
        let answer = agent.asked(|answers| answers.answer::<ConnectionRow>(&words))?;
        Ok(match answer.rows.is_empty() {
            true => Look::NotYet("it is not there".to_owned()),
            false => Look::Found(()),
        })
    })
}

/// Asks each question and lets the command write its answer itself.
pub(super) fn ask(telling: &Telling, agent: &Agent) -> Result<()> {
    telling
        .step("Somebody asks what happened on this node. (`COFFERDAM_SOCKET` leads to the demo's agent.)")?;
    for words in QUESTIONS {
        telling.command("cofferdam", words)?;
        let mut command = Command::new(binary("cofferdam")?);
        command.env("COFFERDAM_SOCKET", agent.socket()).args(*words).stdin(Stdio::null());
        let status = command.status().with_context(|| format!("running {command:?}"))?;
        interrupt::check()?;
        ensure!(status.success(), "{command:?} ended with {status}");
    }
    Ok(())
}

/// What the answers mean, and what this node could not have seen.
pub(super) fn what_to_see(telling: &Telling, doctor: &Doctor, thief: SocketAddr) -> Result<()> {
    telling.heading("What to see in it")?;
    telling.sentences(&[
        &format!(
            "`{COLLECTOR}` is marked `[written]`: it was not in the image of `{DEPS}`. It had opened both payment keys \
             and the environment with `{VARIABLE}` before it connected to `{thief}`, so these three credentials must be \
             replaced; the database password of `{WEB}` need not."
        ),
        "No answer holds the value of a secret: values are never read. Nothing was stopped: this release observes.",
        &blind_spots(doctor),
    ])
}

/// In the words of `doctor`.
fn blind_spots(doctor: &Doctor) -> String {
    let tier = doctor.tier.map_or_else(|| "none".to_owned(), |tier| tier.to_string());
    let spots: Vec<&str> = doctor.blind_spots.iter().map(|spot| spot.what.as_str()).collect();
    let lost = doctor.hooks.iter().filter(|hook| hook.state == HookState::Failed);
    let lost: Vec<&str> = lost.filter_map(|hook| hook.without_it.split(';').next()).collect();
    let mut text = format!("This node's tier is `{tier}`. Not seen on it: {}.", spots.join("; "));
    if !lost.is_empty() {
        text += &format!(" Weaker than on a better tier: {}.", lost.join("; "));
    }
    text + " (`cofferdam doctor` says more.)"
}
