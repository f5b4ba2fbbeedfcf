//! A container touches more secrets beyond its budget than it may have counters: the further ones share a counter, and
//! every open is accounted for.

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("attacks/flood-of-secrets", PerTier::SEEN, play);

const BUDGET: u64 = 20;
const FILES: u64 = 400;
/// Counters that a workload may have for what exceeds its budget (`AGGREGATES_MAX`), one shared, and what a budget that
/// begins anew in the middle lets through.
const ROWS: usize = 64 + 1 + 10 * BUDGET as usize;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { budget: Some(BUDGET), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let keys: Vec<String> = (0..FILES).map(|n| format!("key-{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let many = stage.volume("more-creds", &keys)?;
    let app = stage.container().with_secret(&many, "/etc/many").start()?;

    app.does("open-loop", &["/etc/many", &FILES.to_string(), "2", "1"])?.went_through()?;
    until("every open to be accounted for", || {
        let rows = agent.asked(|answers| answers.accesses_of(app.id()))?;
        let told: u64 = rows.iter().map(|row| row.count).sum();
        let several = rows.iter().any(|row| row.secret.as_str() == "several");
        let so_far = format!("{told} of {} in {} rows, several: {several}", FILES * 2, rows.len());
        ensure!(told <= FILES * 2 && rows.len() <= ROWS, "{so_far}: more than there can be");
        Ok(if told == FILES * 2 && several { Look::Found(()) } else { Look::NotYet(so_far) })
    })
}
