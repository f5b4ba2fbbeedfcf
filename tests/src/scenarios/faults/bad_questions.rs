//! A question that makes no sense is refused with the reason; an agent that is not there, and an answer that is not
//! complete, have exit codes of their own.

use anyhow::{Result, ensure};

use crate::bench::answers::Answers;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("faults/bad-questions", PerTier::SEEN, play).of_user_space();

/// The words, and what the message must name.
const NONSENSE: &[(&[&str], &str)] = &[
    (&["accesses", "--since", "nonsense"], "give how long ago"),
    (&["accesses", "--until", "25:00"], "give how long ago"),
    (&["accesses", "--since", "1h", "--until", "2h"], "is not before --until"),
    (&["accesses", "--verdict", "nonsense"], "allowed, denied, would-deny"),
    (&["accesses", "--limit", "0"], "--limit"),
    (&["accesses", "--output", "nonsense"], "table, wide, json, jsonl"),
    (&["accesses", "--nonsense"], "--nonsense"),
    (&["timeline"], "a timeline is of one workload"),
    (&["nonsense"], "nonsense"),
];

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.agent()?;
    for (words, named) in NONSENSE {
        let ending = agent.asked(|answers| answers.ending(words))?;
        ensure!(ending.code == Some(2) && ending.answer.is_empty(), "{words:?} ended with {ending:?}");
        ensure!(ending.complaint.contains(named), "`{named}` is missing in: {}", ending.complaint);
    }

    let nowhere = stage.place().path("no-such-socket");
    let ending = Answers::of_agent(&nowhere).ending(&["accesses"])?;
    ensure!(ending.code == Some(1) && ending.answer.is_empty(), "without an agent it ended with {ending:?}");
    for words in ["no-such-socket: no such file", "Is cofferdamd running", "--socket or COFFERDAM_SOCKET"] {
        ensure!(ending.complaint.contains(words), "`{words}` is missing in: {}", ending.complaint);
    }

    // Nobody knows what happened before the agent: what is known is given all the same.
    let before = ["accesses", "--since", "1w"];
    let ending = agent.asked(|answers| answers.ending(&before))?;
    ensure!(ending.code == Some(0) && ending.answer.contains("INCOMPLETE"), "it ended with {ending:?}");
    let strict = agent.asked(|answers| answers.ending(&[&before[..], &["--strict"]].concat()))?;
    ensure!(strict.code == Some(3) && strict.answer.contains("INCOMPLETE"), "it ended with {strict:?}");
    ensure!(strict.complaint.contains("incomplete"), "it says: {}", strict.complaint);
    Ok(())
}
