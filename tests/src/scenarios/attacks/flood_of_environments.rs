//! Ever new processes read their own environments, far beyond the workload's budget: they share one counter, so that the
//! table of counters stays free for others, and every read is accounted for.

use anyhow::{Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("attacks/flood-of-environments", PerTier::SEEN, play);

const BUDGET: u64 = 20;
const PROCESSES: u64 = 600;
/// What one container may take of the table: its processes have ended.
const ROOM: u64 = 50;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { budget: Some(BUDGET), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("calm-creds", &["password"])?;
    let noisy = stage.container().start()?;
    let quiet = stage.container().with_secret(&creds, "/etc/creds").start()?;

    noisy.does("fork-loop", &["/proc/self/environ", &PROCESSES.to_string()])?.went_through()?;
    quiet.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&quiet, &access(&quiet).to(&creds, "password").by_main(&quiet))?;

    until("every read to be accounted for, and the table to be free again", || {
        let rows = agent.asked(|answers| answers.accesses_of(noisy.id()))?;
        let told: u64 = rows.iter().map(|row| row.count).sum();
        let status = agent.asked(|answers| answers.status())?;
        let used = status.tables.iter().find(|table| table.name == "kernel accesses").map(|table| table.used);
        let so_far = format!("{told} of {PROCESSES} in {} rows, {used:?} in the table", rows.len());
        ensure!(told <= PROCESSES, "{so_far}: more than were made");
        let all = told == PROCESSES && used.is_some_and(|used| used < ROOM);
        Ok(if all { Look::Found(()) } else { Look::NotYet(so_far) })
    })
}
