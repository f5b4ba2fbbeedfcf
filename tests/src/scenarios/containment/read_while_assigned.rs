//! A secret that is read while the workload's rules are being replaced binds under the new ones from their first moment:
//! whoever reads and connects at once, again and again, never gets through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};

use super::kit::{below, holder, secret};
use crate::bench::image::SERVER;
use crate::bench::{Container, Listener, Policy, Secret};
use crate::bypass::PASSWORD;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/read-while-assigned", PerTier::SEEN, play).counting(&["over_budget"]);

const NAME: &str = "replaced";
/// Workloads whose rules are replaced at once: each has one first read, and the more there are the longer a replacement
/// takes.
const WORKLOADS: usize = 6;
/// Connections that follow a read: longer than any replacement takes.
const CONNECTIONS: &str = "3000";

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.agent()?;
    let (secret, permitted, elsewhere) = (secret(stage, NAME)?, Listener::tcp4()?, Listener::tcp4()?);
    let specs = [1, 2].map(|other| spec(stage, &secret, &permitted, other));
    let policy = Policy::apply(stage.place(), agent, NAME, &specs[0])?;
    let readers = (0..WORKLOADS).map(|_| holder(stage, &secret, NAME)).collect::<Result<Vec<Container>>>()?;
    readers.iter().try_for_each(|reader| policy.holds(reader, &["db"]))?;

    let over = AtomicBool::new(false);
    let replaced = thread::scope(|scope| {
        let replacing = scope.spawn(|| replace_until(&over, &policy, &specs));
        let tried = readers.iter().try_for_each(|reader| reads_and_connects(reader, &elsewhere));
        over.store(true, Ordering::Relaxed);
        let replaced = replacing.join().map_err(|_| anyhow!("the thread that replaces failed"))?;
        tried.and(replaced)
    })?;
    ensure!(replaced > 0, "the rules were not replaced meanwhile");
    stage.nothing_fails_open()?;
    policy.lift()
}

/// Rules that only differ by a port: each is another generation.
fn spec(stage: &Stage<'_>, secret: &Secret, permitted: &Listener, other: u16) -> String {
    format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets:\n\
         \u{20} - id: db\n\
         \u{20}   secret: {}\n\
         \u{20}   readers: [ {{ binary: {SERVER} }} ]\n\
         \u{20}   destinations: [ {{ cidr: 127.0.0.1/32, ports: [{}, {}], protocol: tcp }} ]\n",
        below(stage, NAME),
        secret.name(),
        permitted.address().port(),
        other,
    )
}

fn replace_until(over: &AtomicBool, policy: &Policy, specs: &[String]) -> Result<usize> {
    let mut replaced = 0;
    while !over.load(Ordering::Relaxed) {
        replaced += 1;
        policy.says(&specs[replaced % specs.len()])?;
    }
    Ok(replaced)
}

fn reads_and_connects(reader: &Container, elsewhere: &Listener) -> Result<()> {
    let to = elsewhere.address().to_string();
    let steps = ["open", PASSWORD, "--", "hammer-connects", &to, CONNECTIONS, "1"];
    let said = reader.does("sequence", &steps)?;
    ensure!(said.ok, "it cannot read and connect: {}", said.output);
    let refused = format!("0 went through, {CONNECTIONS} were refused, 0 failed otherwise");
    ensure!(said.output == refused, "what it has read goes elsewhere: {}", said.output);
    Ok(())
}
