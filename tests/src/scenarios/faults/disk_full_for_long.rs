//! The disk is full for longer than what happens meanwhile can wait: the oldest of it is given up, and counted.

use anyhow::{Result, ensure};
use cofferdam_model::AccessRow;

use super::disk_full::told_to_be_unwritable;
use crate::bench::wait::Look;
use crate::bench::{AgentOptions, Hog, until};
use crate::stage::{Ledger, PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/disk-full-for-long", PerTier::SEEN, play)
    .counting(&["over_budget", "ring_full", "lost"])
    .of_user_space();

const DISK: u32 = 32;
/// Together more than may wait for the journal, and no more rows than one answer has.
const FILES: u64 = 1_000;
const PROCESSES: u64 = 19;
/// More than any of them causes.
const BUDGET: u64 = 1_000_000;

fn play(stage: &Stage<'_>) -> Result<()> {
    let options = AgentOptions { disk: Some(DISK), budget: Some(BUDGET), ..AgentOptions::default() };
    let agent = stage.own_agent(&options)?;
    let stage = stage.watched_by(&agent);
    let keys: Vec<String> = (0..FILES).map(|n| format!("key-{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let many = stage.volume("crowded-creds", &keys)?;
    let app = stage.container().with_secret(&many, "/etc/many").start()?;

    let hog = Hog::on(&agent.state_dir())?;
    until("the agent to say that the journal cannot be written", || told_to_be_unwritable(&agent))?;
    let numbers = [FILES, 1, PROCESSES].map(|number| number.to_string());
    let opened = app.does("open-loop", &["/etc/many", &numbers[0], &numbers[1], &numbers[2]])?;
    let opened: u64 = opened.went_through()?.parse()?;
    let given_up = until("the agent to give the oldest up", || {
        let lost = Ledger::from(&agent.asked(|answers| answers.status())?).lost();
        Ok(if lost > 0 { Look::Found(lost) } else { Look::NotYet("nothing is lost".to_owned()) })
    })?;
    ensure!(given_up <= opened * 2, "{given_up} are lost of {opened} opens and the ends of their processes");
    hog.leaves()?;

    until("every open to be accounted for", || {
        let answer = agent.asked(|answers| {
            answers.answer::<AccessRow>(&["accesses", "--container", app.id(), "--limit", "1000000"])
        })?;
        let of_keys = answer.rows.iter().filter(|row| row.secret.ends_with("crowded-creds"));
        let (told, completeness) = (of_keys.map(|row| row.count).sum::<u64>(), answer.completeness);
        let so_far = format!("{told} told of {opened} opened; {completeness:?}");
        ensure!(told <= opened, "{so_far}: more than there were");
        let admitted = completeness.reasons.iter().any(|reason| reason.contains("journal-failed"));
        let all = admitted && told > 0 && told + completeness.lost >= opened;
        Ok(if all { Look::Found(()) } else { Look::NotYet(so_far) })
    })?;

    // Counters of whoever still runs are exact again, also of what was given up.
    app.does("open", &["/etc/many/key-0"])?.went_through()?;
    app.does("open", &["/etc/many/key-0"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&many, "key-0").by_main(&app).times(2))
}
