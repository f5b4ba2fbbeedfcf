//! What the act says of the agent's answers, looked up in them.

use anyhow::{Context, Result, ensure};
use cofferdam_api::Explanation;
use cofferdam_model::{AccessRow, ConnectionRow, Verdict};
use cofferdam_tests::bench::wait::Look;
use cofferdam_tests::bench::{Agent, until};

use super::{ATTEMPTS, RULE, WORKLOAD};
use crate::demo::image::{COLLECTOR, SERVER, SUPPORT};
use crate::demo::street::Door;

/// An access of the support tool passed, and only by the exception.
pub(super) fn passed_by_exception(agent: &Agent) -> Result<()> {
    until("the use of the exception to be told", || {
        let rows = accesses(agent, SUPPORT)?;
        let used = rows.iter().any(|row| row.exception && row.verdict == Verdict::Allowed);
        Ok(if used { Look::Found(()) } else { Look::NotYet(format!("there is {rows:?}")) })
    })
}

/// Each attempt was counted, by the rule: also those that nobody was there to hear of. One of each kind came before.
pub(super) fn each_was_counted(agent: &Agent, thief: &str) -> Result<()> {
    let wanted = 2 * ATTEMPTS + 1;
    until("every attempt to be counted", || {
        let opens = accesses(agent, COLLECTOR)?;
        let opens: u64 =
            opens.iter().filter(|row| is_ours(row.verdict, &row.rule)).map(|row| row.count).sum();
        let connects: u64 = connections(agent)?
            .iter()
            .filter(|row| is_ours(row.verdict, &row.rule) && goes_to(row, thief))
            .map(|row| row.count)
            .sum();
        let counted = opens == wanted && connects == wanted;
        let told = format!("{opens} opens and {connects} connections, not {wanted} of each");
        Ok(if counted { Look::Found(()) } else { Look::NotYet(told) })
    })
}

/// The event of a denied connection, which the agent explains by the rule.
pub(super) fn explained(agent: &Agent) -> Result<String> {
    let rows = connections(agent)?;
    let row =
        rows.iter().find(|row| is_ours(row.verdict, &row.rule)).context("no denied connection is told")?;
    let words = ["policy", "explain", "--event", &row.id];
    let explanation: Explanation = agent.asked(|answers| answers.document(&words))?;
    ensure!(explanation.rule.as_deref() == Some(RULE), "it is explained by another rule: {explanation:?}");
    Ok(row.id.clone())
}

/// No counter of what could have passed has moved.
pub(super) fn nothing_could_have_passed(agent: &Agent) -> Result<()> {
    let status = agent.asked(|answers| answers.policy_status())?;
    let taken: Vec<_> = status.fail_open.iter().filter(|counter| counter.count != 0).collect();
    ensure!(taken.is_empty(), "something could have passed: {taken:?}");
    Ok(())
}

/// The thief saw no connection.
pub(super) fn nobody_came(thief: &Door) -> Result<()> {
    ensure!(thief.visitors() == 0, "{} connections got through to {}", thief.visitors(), thief.address());
    Ok(())
}

fn is_ours(verdict: Verdict, rule: &Option<String>) -> bool {
    verdict == Verdict::Denied && rule.as_deref() == Some(RULE)
}

fn accesses(agent: &Agent, binary: &str) -> Result<Vec<AccessRow>> {
    let words = ["accesses", "--workload", WORKLOAD, "--binary", binary];
    Ok(agent.asked(|answers| answers.answer::<AccessRow>(&words))?.rows)
}

fn connections(agent: &Agent) -> Result<Vec<ConnectionRow>> {
    let words = ["connections", "--workload", WORKLOAD, "--binary", SERVER];
    Ok(agent.asked(|answers| answers.answer::<ConnectionRow>(&words))?.rows)
}

fn goes_to(row: &ConnectionRow, place: &str) -> bool {
    row.destination.as_ref().is_some_and(|address| format!("{address}:{}", row.port) == place)
}
