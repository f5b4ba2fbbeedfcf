//! A credential is taken from one workload, then from all: at once, for a time or until it is given back, and it is
//! told whose decision that was and why.

use anyhow::{Result, ensure};
use cofferdam_model::AuditKind;

use super::kit::{a_moment, audited, comes_to_be, holder, is_refused, reads, secret, watch};
use crate::bench::Order;
use crate::bench::order::OWNER;
use crate::stage::{PerTier, Scenario, Stage, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/contain-credential", PerTier::SEEN, play);

const REASON: &str = "it was seen in a paste";

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "taken")?;
    let (suspect, other) = (holder(stage, &secret, "taken")?, holder(stage, &secret, "taken")?);
    reads(&suspect)?;
    reads(&other)?;
    let agent = stage.agent()?;
    let named = ["--secret", secret.name()];

    let watched = watch(stage, &suspect)?;
    let name = suspect.workload();
    let order = Order::give(agent, &[&named[..], &["--workload", &name]].concat(), REASON)?;
    is_refused(&suspect)?;
    is_refused(&suspect)?;
    reads(&other)?;
    let told = watched.was_denied(order.decider(), 2)?;
    let why = agent.asked(|answers| answers.text(&["policy", "explain", "--event", &told.event]))?;
    ensure!(why.contains(REASON) && why.contains(secret.name()), "it is explained as {why}");
    is_listed(stage, &order, std::slice::from_ref(&name))?;
    let id = order.row().id.clone();
    order.release()?;
    reads(&suspect)?;
    audited(stage, AuditKind::Released, &id, 1)?;

    // Named with its key.
    let keyed = format!("{}:password", secret.name());
    let order = Order::give(agent, &["--secret", &keyed, "--workload", &name], REASON)?;
    is_refused(&suspect)?;
    reads(&other)?;
    order.release()?;
    reads(&suspect)?;

    let watched = watch(stage, &other)?;
    let lasting = format!("{}s", a_moment(stage)?.as_secs());
    let order = Order::give(agent, &[&named[..], &["--for", &lasting]].concat(), REASON)?;
    is_refused(&suspect)?;
    is_refused(&other)?;
    is_listed(stage, &order, &[suspect.workload(), other.workload()])?;
    watched.was_denied(order.decider(), 1)?;
    comes_to_be("the end of the order", || reads(&suspect).and_then(|()| reads(&other)))?;
    let told = audited(stage, AuditKind::Released, &order.row().id, 1)?;
    ensure!(told.by.is_none() && told.detail.contains(REASON), "its end is told as {told:?}");
    let rows = agent.asked(|answers| answers.orders())?;
    ensure!(rows.iter().all(|row| row.id != order.row().id), "it is listed still: {}", listed(&rows));
    ensure!(order.row().id != id, "a new order has the name of an old one: {id}");
    stage.nothing_fails_open()
}

/// `orders` and `audit` tell whose it is, why, and whom it concerns.
fn is_listed(stage: &Stage<'_>, order: &Order, workloads: &[String]) -> Result<()> {
    let rows = stage.agent()?.asked(|answers| answers.orders())?;
    let Some(row) = rows.iter().find(|row| row.id == order.row().id) else {
        anyhow::bail!("it is not listed: {}", listed(&rows));
    };
    ensure!(row.owner == OWNER && row.reason == REASON, "it is listed as {row:?}");
    let concerns = workloads.iter().all(|workload| row.workloads.contains(workload));
    ensure!(concerns, "it must concern {workloads:?}: {row:?}");
    let told = audited(stage, AuditKind::Contained, &row.id, 1)?;
    let says = |text: &str| told.detail.contains(text);
    ensure!(says(OWNER) && says(REASON), "the audit says not whose it is, or why: {told:?}");
    ensure!(says("taken"), "the audit does not say what was taken: {told:?}");
    ensure!(told.by.is_some(), "the audit does not say who gave it: {told:?}");
    Ok(())
}
