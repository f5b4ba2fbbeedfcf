//! What is asked when it has happened.

use std::net::SocketAddr;

use anyhow::Result;
use cofferdam_api::{Doctor, HookState};
use cofferdam_model::ConnectionRow;
use cofferdam_tests::bench::wait::Look;
use cofferdam_tests::bench::{Agent, until};

use super::play::{DEPS, VARIABLE, WEB};
use crate::demo::image::COLLECTOR;
use crate::demo::questions;
use crate::demo::telling::Telling;

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

/// Asks each question.
pub(super) fn ask(telling: &Telling, agent: &Agent) -> Result<()> {
    telling
        .step("Somebody asks what happened on this node. (`COFFERDAM_SOCKET` leads to the demo's agent.)")?;
    QUESTIONS.iter().try_for_each(|words| questions::ask(telling, agent, words))
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
        "No answer holds the value of a secret: values are never read. Nothing was stopped: no policy is in force (`cargo xtask demo containment` shows one).",
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
