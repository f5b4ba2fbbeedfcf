//! The agent stands still while a container opens more than the rings hold: every open is accounted for, to the last.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Container, until};
use crate::stage::{Ledger, PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("life/rings-overflow", PerTier::SEEN, play).counting(&["over_budget", "ring_full", "lost"]);

const FILES: u64 = 1_000;
const PROCESSES: u64 = 12;
const ROUNDS: u64 = 2;
/// More than any of them causes.
const BUDGET: u64 = 1_000_000;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { budget: Some(BUDGET), ..AgentOptions::default() })?;
    let keys: Vec<String> = (0..FILES).map(|n| format!("key-{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let many = stage.watched_by(&agent).volume("many-creds", &keys)?;
    let app = stage.container().with_secret(&many, "/etc/many").start()?;

    agent.pause()?;
    let numbers = [FILES, ROUNDS, PROCESSES].map(|number| number.to_string());
    let opened = app.does("open-loop", &["/etc/many", &numbers[0], &numbers[1], &numbers[2]]);
    agent.go_on()?;
    let opened: u64 = opened?.went_through()?.parse()?;
    ensure!(opened == FILES * ROUNDS * PROCESSES, "the actor has made {opened} opens");

    let ledger = until("every open to be accounted for", || {
        let ledger = Ledger::from(&agent.asked(|answers| answers.status())?);
        let lost = ledger.counted_at("open", "ring_full");
        let (rows, told) = accounted(&agent, &app)?;
        let so_far = format!("{told} in {rows} rows and {lost} lost, of {opened}; {ledger:?}");
        ensure!(told + lost <= opened, "{so_far}: more than there were");
        let flooded = ledger.counted("ring_full") > 0;
        // Each workload has its share of what did not fit.
        let shared_out = ledger.lost() == ledger.counted("ring_full");
        let all = flooded && shared_out && told + lost == opened && !ledger.is_behind();
        Ok(if all { Look::Found(ledger) } else { Look::NotYet(so_far) })
    })?;
    ledger.is_clean_since(&Ledger::default(), &["ring_full", "lost"])
}

/// Rows of the container's opens, each process and key once, and how many opens they tell of.
fn accounted(agent: &Agent, app: &Container) -> Result<(usize, u64)> {
    let rows = agent.asked(|answers| answers.accesses_of(app.id()))?;
    let distinct: BTreeSet<_> = rows.iter().map(|row| (row.pid, &row.key)).collect();
    ensure!(distinct.len() == rows.len(), "{} rows tell of {} pairs", rows.len(), distinct.len());
    Ok((rows.len(), rows.iter().map(|row| row.count).sum()))
}
