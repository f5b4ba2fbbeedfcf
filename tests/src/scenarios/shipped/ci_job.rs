//! Only the publishing tool of a build has the registry's credential.

use anyhow::Result;
use cofferdam_api::RuleKind;
use cofferdam_model::{AccessKind, BinaryOrigin};

use super::kit::{Edited, Trial};
use crate::bench::Listener;
use crate::bench::container::ACTOR;
use crate::bypass::{PASSWORD, Trace};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/ci-job", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/ci-job.yaml");

/// What the job has compiled.
const BUILT: &str = "/tmp/built";

fn play(stage: &Stage<'_>) -> Result<()> {
    let (registry, sources) = (Listener::tcp4()?, Listener::tcp4()?);
    let port = registry.address().port();
    let secret = stage.volume(&format!("registry-token-{}", stage.place().digits()), &["password"])?;
    let shipped = Edited::new(SHIPPED)
        .with("secret: registry-token", &format!("secret: {}", secret.name()))?
        .with("cidr: 203.0.113.10/32, ports: [ 443 ]", &format!("cidr: 127.0.0.1/32, ports: [ {port} ]"))?;
    let rules = ["registry", "environment", "programs", "memory", "metadata"];
    let trial = Trial::new(stage, &shipped, "selector: { container: \"build*\" }", Some(&secret), &rules)?;

    // Fetches, compiles, runs what it has compiled; nothing of that may read the credential, nor get it otherwise.
    trial.may("connect-tcp", &[&sources.address().to_string()])?;
    trial.may("copy", &[ACTOR, BUILT])?;
    trial.may("run", &[BUILT, "do", "pid"])?;
    trial.stops(("registry", RuleKind::Secret), Trace::Access(AccessKind::Open), || {
        trial.container().runs(BUILT, &["do", "open", PASSWORD])
    })?;
    trial.stops(("environment", RuleKind::Environment), Trace::Access(AccessKind::Environ), || {
        trial.container().runs(BUILT, &["do", "open", "/proc/1/environ"])
    })?;
    trial.stops(("memory", RuleKind::Memory), Trace::Access(AccessKind::Ptrace), || {
        trial.container().runs(BUILT, &["do", "ptrace", "1"])
    })?;
    trial.stops(("programs", RuleKind::Exec), Trace::Program(BinaryOrigin::Memfd), || {
        trial.other_program(&["run-memfd", ACTOR, "do", "pid"])
    })?;
    trial.stops(("metadata", RuleKind::Egress), Trace::Connection(80), || {
        trial.other_program(&["connect-tcp", "169.254.169.254:80"])
    })?;

    // Publishes; from then on the job reaches the registry alone.
    trial.reads_its_secret()?;
    trial.may("connect-tcp", &[&registry.address().to_string()])?;
    trial.stops(("registry", RuleKind::Egress), Trace::Connection(sources.address().port()), || {
        trial.container().does("connect-tcp", &[&sources.address().to_string()])
    })?;
    trial.ends()
}
