//! A fork loop exceeds its workload's budget of process events: what its processes read is told nevertheless, and that
//! the process tree lacks most of them is said.

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::stage::{Ledger, PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("attacks/flood-of-processes", PerTier::SEEN, play);

const BUDGET: u64 = 10;
const PROCESSES: u64 = 300;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { process_budget: Some(BUDGET), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("forked-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("fork-loop", &["/etc/creds/password", &PROCESSES.to_string()])?.went_through()?;
    until("every open to be told, and that programs are missing", || {
        let rows = agent.asked(|answers| answers.accesses_of(app.id()))?;
        let told: u64 = rows.iter().map(|row| row.count).sum();
        let ledger = Ledger::from(&agent.asked(|answers| answers.status())?);
        let untold = ledger.counted_at("fork", "over_budget");
        let reasons = agent.asked(|answers| answers.timeline_of(app.id()))?.completeness.reasons;
        let said = reasons.iter().any(|reason| reason.contains("forks and execs beyond"));
        let so_far = format!("{told} of {PROCESSES} opens, {untold} forks over budget, said: {said}");
        ensure!(told <= PROCESSES, "{so_far}: more than were made");
        let all = told == PROCESSES && untold > 0 && said;
        Ok(if all { Look::Found(()) } else { Look::NotYet(so_far) })
    })?;
    stage.ledger()?.is_clean_since(&Ledger::default(), &["over_budget"])
}
