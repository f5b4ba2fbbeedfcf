//! A database password is read by the application, and travels to the database only.

use anyhow::Result;
use cofferdam_api::RuleKind;
use cofferdam_model::{AccessKind, BinaryOrigin};
use nix::errno::Errno;

use super::kit::{Edited, Trial};
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bench::{Listener, Secret};
use crate::bypass::{PASSWORD, SECRET_AT, Trace};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/database-client", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/database-client.yaml");

fn play(stage: &Stage<'_>) -> Result<()> {
    let database = Listener::tcp4()?;
    let (to, port) = (database.address().to_string(), database.address().port());
    let secret = stage.volume(&format!("db-password-{}", stage.place().digits()), &["password"])?;
    let shipped = Edited::new(SHIPPED)
        .with("secret: db-password", &format!("secret: {}", secret.name()))?
        .with("cidr: 10.20.0.5/32, ports: [ 5432 ]", &format!("cidr: 127.0.0.1/32, ports: [ {port} ]"))?;
    let rules = ["database", "environment", "programs", "memory", "metadata"];
    let trial = Trial::new(stage, &shipped, "selector: { container: \"api*\" }", Some(&secret), &rules)?;

    trial.reads_its_secret()?;
    trial.may("connect-tcp", &[&to, "3"])?;
    trial.may("open", &["/proc/self/environ"])?;
    trial.may("run", &[ACTOR, "do", "pid"])?;

    trial.stops(("database", RuleKind::Secret), Trace::Access(AccessKind::Open), || {
        trial.other_program(&["open", PASSWORD])
    })?;
    let elsewhere = Listener::tcp4()?;
    trial.stops(("database", RuleKind::Egress), Trace::Connection(elsewhere.address().port()), || {
        trial.container().does("connect-tcp", &[&elsewhere.address().to_string()])
    })?;
    trial.stops(("environment", RuleKind::Environment), Trace::Access(AccessKind::Environ), || {
        trial.other_program(&["open", "/proc/1/environ"])
    })?;
    trial.stops(("memory", RuleKind::Memory), Trace::Access(AccessKind::Ptrace), || {
        trial.other_program(&["ptrace", "1"])
    })?;
    trial.may("copy", &[ACTOR, "/tmp/tool"])?;
    trial.stops(("programs", RuleKind::Exec), Trace::Program(BinaryOrigin::Written), || {
        trial.container().does("run", &["/tmp/tool", "do", "pid"])
    })?;
    exclusive(stage, &trial, &secret)?;
    trial.may("connect-tcp", &[&to])?;
    trial.reads_its_secret()?;
    trial.ends()
}

/// Another workload of the node that has the same secret mounted does not read it, whatever its program.
fn exclusive(stage: &Stage<'_>, trial: &Trial<'_, '_>, secret: &Secret) -> Result<()> {
    let other = stage.container().running(SERVER).with_secret(secret, SECRET_AT).start()?;
    let by = trial.enforced("database", RuleKind::Secret)?;
    trial.denies_to(&other, ("database", by), Trace::Access(AccessKind::Open), || {
        other.does("open", &[PASSWORD])?.was_refused_with(Errno::EPERM)
    })
}
