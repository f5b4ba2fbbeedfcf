//! A fork loop exceeds its workload's budget of first events: the rest is counted, apart from losses, and the neighbour
//! does not suffer.

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::stage::{Ledger, PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("life/budget", PerTier::SEEN, play);

const BUDGET: u64 = 20;
const PROCESSES: u64 = 400;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { budget: Some(BUDGET), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("flooded-creds", &["password"])?;
    let noisy = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let quiet = stage.container().with_secret(&creds, "/etc/creds").start()?;

    noisy.does("fork-loop", &["/etc/creds/password", &PROCESSES.to_string()])?.went_through()?;
    quiet.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&quiet, &access(&quiet).to(&creds, "password").by_main(&quiet))?;

    until("every open to be accounted for", || {
        let rows = agent.asked(|answers| answers.accesses_of(noisy.id()))?;
        let itemised = rows.iter().filter(|row| row.pid.is_some()).count() as u64;
        let counted: u64 = rows.iter().filter(|row| row.pid.is_none()).map(|row| row.count).sum();
        let over_budget =
            Ledger::from(&agent.asked(|answers| answers.status())?).over_budget_of(&noisy.id()[..12]);
        let so_far = format!("{itemised} itemised, {counted} counted, {over_budget} over budget");
        ensure!(itemised + counted <= PROCESSES, "{so_far}: more than the {PROCESSES} that were made");
        let all = itemised + counted == PROCESSES && over_budget == counted && over_budget > 0;
        Ok(if all { Look::Found(()) } else { Look::NotYet(so_far) })
    })?;
    stage.ledger_by_now()?.is_clean_since(&Ledger::default(), &["over_budget"])
}
