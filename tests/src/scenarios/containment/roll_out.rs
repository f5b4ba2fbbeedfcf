//! A first policy as a newcomer makes it: learnt from what a workload did, checked, tested against the past, applied to
//! observe, then to enforce; ordinary work is never disturbed, and an attacker is told first and then refused.

use std::fs;

use anyhow::{Context, Result, ensure};
use cofferdam_api::{Explanation, PolicyRow};
use nix::errno::Errno;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::kit::{attacker_is_refused, attacker_reads, holder, reads, secret, watch, watch_for};
use crate::bench::answers::Ending;
use crate::bench::image::SERVER;
use crate::bench::{Container, Listener, Policy};
use crate::bypass::Trace;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/roll-out", PerTier::SEEN, play);

/// What `policy test` says as a whole.
#[derive(Debug, Deserialize)]
struct Tested {
    denied: u64,
    allowed: u64,
    undecidable: u64,
}

/// What `policy apply` says.
#[derive(Debug, Deserialize)]
struct Applied {
    rows: Vec<PolicyRow>,
}

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "rolled-out")?;
    let container = holder(stage, &secret, "rolled-out")?;
    let (database, elsewhere) = (Listener::tcp4()?, Listener::tcp4()?);
    works(&container, &database)?;
    stage.everything_has_arrived(&container)?;

    let learnt = asked(stage, &["policy", "learn", "--workload", &container.workload(), "--since", "15m"])?;
    ensure!(learnt.code == Some(0), "learning ended with {learnt:?}");
    let path = stage.place().path("learnt.yaml");
    fs::write(&path, &learnt.answer).with_context(|| format!("writing {}", path.display()))?;
    let file = path.to_string_lossy();
    let checked = asked(stage, &["policy", "check", &file])?;
    ensure!(checked.code == Some(0), "the check of {} ended with {checked:?}", learnt.answer);
    let tested: Tested = answered(&asked(stage, &["-o", "json", "policy", "test", &file, "--since", "1h"])?)?;
    let passes = tested.denied == 0 && tested.undecidable == 0 && tested.allowed >= 2;
    if !passes {
        let told = asked(stage, &["policy", "test", &file, "--since", "1h", "--all"])?.answer;
        anyhow::bail!("the test of {} says {tested:?}:\n{told}", learnt.answer);
    }
    let dry: Applied = answered(&asked(stage, &["-o", "json", "policy", "apply", &file, "--dry-run"])?)?;
    let [row] = dry.rows.as_slice() else { anyhow::bail!("one policy was learnt, and there are {dry:?}") };
    ensure!(row.workloads == [container.workload()], "it is for {:?}", row.workloads);

    let policy = Policy::apply_file(&path, stage.agent()?, &row.name)?;
    let rule = rule_of(stage, policy.name(), secret.name())?;
    let decider = (policy.name(), rule.as_str());
    let watched = watch(stage, &container)?;
    attacker_reads(&container)?;
    watched.would_be_denied(decider)?;
    works(&container, &database)?;

    fs::write(&path, learnt.answer.replace("mode: observe", "mode: enforce")).context("enforcing it")?;
    policy.applied()?;
    let watched = watch(stage, &container)?;
    attacker_is_refused(&container)?;
    let told = watched.was_denied(decider, 1)?;
    works(&container, &database).context("ordinary work is disturbed")?;
    let watched = watch_for(stage, &container, Trace::Connection(elsewhere.address().port()))?;
    container.does("connect-tcp", &[&elsewhere.address().to_string()])?.was_refused_with(Errno::EPERM)?;
    watched.was_denied(decider, 1)?;
    explains(stage, &told.event, decider)?;
    stage.nothing_fails_open()
}

/// What the application does all day.
fn works(container: &Container, database: &Listener) -> Result<()> {
    reads(container)?;
    container.does("connect-tcp", &[&database.address().to_string()])?.went_through().map(drop)
}

/// The rule that speaks of a secret.
fn rule_of(stage: &Stage<'_>, policy: &str, secret: &str) -> Result<String> {
    let status = stage.agent()?.asked(|answers| answers.policy_status())?;
    let mut rules = status.rules.iter().filter(|it| it.policy == policy);
    let of_secret = rules.find(|it| it.kind == cofferdam_api::RuleKind::Secret);
    let found = of_secret.with_context(|| format!("no rule speaks of {secret}: {status:?}"))?;
    Ok(found.rule.clone())
}

fn explains(stage: &Stage<'_>, event: &str, (policy, rule): (&str, &str)) -> Result<()> {
    let words = ["policy", "explain", "--event", event];
    let told: Explanation = stage.agent()?.asked(|answers| answers.json(&words))?;
    let names = told.policy.as_deref() == Some(policy) && told.rule.as_deref() == Some(rule);
    let says = told.text.as_deref().is_some_and(|text| text.contains(&format!("is read by {SERVER}")));
    ensure!(names && says, "it is explained as {told:?}");
    let text = stage.agent()?.asked(|answers| answers.text(&words))?;
    ensure!(text.contains(policy) && text.contains(rule), "a person is told: {text}");
    Ok(())
}

fn asked(stage: &Stage<'_>, words: &[&str]) -> Result<Ending> {
    stage.agent()?.asked(|answers| answers.ending(words))
}

fn answered<T: DeserializeOwned>(ending: &Ending) -> Result<T> {
    serde_json::from_str(&ending.answer).with_context(|| format!("understanding {ending:?}"))
}
