//! A batch job reaches its store and nothing else, from the start.

use anyhow::Result;
use cofferdam_api::RuleKind;
use cofferdam_model::{AccessKind, BinaryOrigin};

use super::kit::{Edited, Trial};
use crate::bench::Listener;
use crate::bench::container::ACTOR;
use crate::bypass::{PASSWORD, Trace};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/batch-job", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/batch-job.yaml");

fn play(stage: &Stage<'_>) -> Result<()> {
    let (store, elsewhere) = (Listener::tcp4()?, Listener::tcp4()?);
    let (to, port) = (store.address().to_string(), store.address().port());
    let secret = stage.volume(&format!("batch-credentials-{}", stage.place().digits()), &["password"])?;
    let shipped = Edited::new(SHIPPED)
        .with("secret: batch-credentials", &format!("secret: {}", secret.name()))?
        .with("cidr: 10.30.0.0/24, ports: [ 443 ]", &format!("cidr: 127.0.0.1/32, ports: [ {port} ]"))?;
    let selector = "selector: { container: \"nightly-*\" }";
    let rules = ["store", "programs"];
    let trial = Trial::new(stage, &shipped, selector, Some(&secret), &rules)?;

    let leaves = || {
        trial.stops(("store", RuleKind::Egress), Trace::Connection(elsewhere.address().port()), || {
            trial.by_session("connect-tcp", &[&elsewhere.address().to_string()])
        })
    };
    // It has read nothing yet.
    leaves()?;
    trial.ordinary_by_session("connect-tcp", &[&to])?;
    trial.ordinary_by_session("open", &[PASSWORD])?;
    trial.ordinary_by_session("connect-tcp", &[&to])?;
    leaves()?;

    trial.stops(("store", RuleKind::Secret), Trace::Access(AccessKind::Open), || {
        trial.by_session("open", &[PASSWORD])
    })?;
    trial.ordinary_by_session("copy", &[ACTOR, "/tmp/tool"])?;
    trial.stops(("programs", RuleKind::Exec), Trace::Program(BinaryOrigin::Written), || {
        trial.by_session("run", &["/tmp/tool", "do", "pid"])
    })?;
    trial.ends()
}
